// What the modules in a file say of their network: the attributes and classes of a pickled module, the code of
// TorchScript's (script_words.h) or the graph of torch.export (export_words.h). Strides, dilations, paddings, eps,
// pooling, activations and anti-aliasing are read, and the network that they make is held to every attribute that is
// there.
#pragma once

#include "weights/word_values.h"

namespace resnet {

// `finding` and `architecture` are what the tensors show. Throws kUnsupported where a module does what the network
// cannot be made to do.
void read_module_words(const TensorFile& file, const Finding& finding, const Architecture& architecture, Said& said);

// Once everything is said: throws kUnsupported where a module of the file has another stride, dilation, padding or eps
// than `architecture` gives it.
void check_modules(const TensorFile& file, const Finding& finding, const Architecture& architecture, const Said& said);

}  // namespace resnet
