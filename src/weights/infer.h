// The architecture of a network, read off the names and shapes of its tensors.
//
// Seen are: block, depths, widths, groups, stem, projection shortcuts, channels, classes and biases. Not seen, because
// they change no shape, are the place of a bottleneck's stride and dilation (the defaults are taken), and whether a
// network without projections pads its shortcuts or has none: one with a CIFAR stem is taken to pad (option A), one
// with an ImageNet stem to be plain.
#pragma once

#include <string>

#include "resnet/architecture.h"
#include "resnet/tensor.h"

namespace resnet {

// `tensors` have torchvision's names. `layout` is that of the names in the file; the tutorial layout is kept only for
// networks that it can describe. The architecture has the name of the catalog where it is one of the catalog's, up to
// channels, classes, layout and biases. Throws kMismatch where the tensors show no residual network; `where` names
// them in the message. That every tensor fits is for check_weights() to say.
Architecture infer_architecture(const StateDict& tensors, Layout layout, const std::string& where);

// `architecture` with the input channels, classes, biases and layout that the tensors show, for a caller who knows the
// rest. What they do not show stays as it is.
Architecture with_sizes_of(const StateDict& tensors, Layout layout, Architecture architecture);

}  // namespace resnet
