// The parts of a drawing: the chain of stages, and one block in detail. draw.cc puts them on a page.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "arch/svg.h"
#include "resnet/graph.h"

namespace resnet {

// The whole drawing: heading, chain of stages, two blocks. draw_svg() of describe.h gives its file.
Svg draw(const Graph& graph);

// Width and height that a part took.
struct Extent {
  double width = 0, height = 0;
};

// "256×56×56", or "1000" for a vector.
std::string size_text(const FeatureShape& shape);

// "stage0", ..., the class that colours a stage; "stem" and "head" are the others.
std::string stage_class(int stage);

// Everything from the input to the classifier, from left to right, stretched to `least_width`; (x, y) is the upper left
// corner.
Extent draw_network(Svg& svg, double x, double y, double least_width, const Graph& graph,
                    std::span<const FeatureShape> shapes);

// The width that draw_block takes.
double block_width() noexcept;

// One block from top to bottom. `block` counts within the stage.
Extent draw_block(Svg& svg, double x, double y, const Graph& graph, std::span<const FeatureShape> shapes, int stage,
                  int block);

// True where the shortcut of this block changes the shape: it is not the identity.
bool changes_shape(const Graph& graph, int stage, int block);

}  // namespace resnet
