// A drawing as pixels, for `resnet draw` into a .png file. It paints what arch/svg.h writes, on a white page, and
// nothing else of SVG.
#pragma once

#include "arch/svg.h"
#include "resnet/image.h"

namespace resnet::cli {

// `scale` pixels for each of the drawing's units. A dash pattern must have an even number of lengths, all above 0.
Image paint(const Svg& svg, double scale);

}  // namespace resnet::cli
