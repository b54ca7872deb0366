// Pictures of ten shapes for demonstrations and tests: one shape each, of any colour, texture, size, place and
// direction, before a background of another colour, with noise. Easy for people, not trivial for a network: what stands
// for nothing (colour, texture, place) varies more than what counts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "resnet/image.h"

namespace resnet {

// "arrow", "circle", "crescent", "cross", "heart", "hexagon", "ring", "square", "star", "triangle".
const std::vector<std::string>& shape_names();

// A square picture of `size` pixels, anti-aliased. `shape` is an index into shape_names().
Image draw_shape(std::size_t shape, int size, Random& random);

struct ShapesOptions {
  int size = 64;     // pixels a side, 16 to 1,024
  int train = 4000;  // pictures, shared among the shapes; 10 to 1,000,000
  int val = 1000;    // the same; may be 0
  std::uint64_t seed = 0;
};

// Makes DIRECTORY/train/SHAPE/00001.jpg, ... and DIRECTORY/val/..., which open_training_data() reads. The directory
// appears when all is there; the same options give the same pictures. `progress` is told how many there are already,
// one call at a time, from any thread; what it throws ends the work.
// Throws kInvalidArgument for options outside their range and a directory that holds something, kIo.
void make_shapes(const std::string& directory, const ShapesOptions& options, const std::function<void(int)>& progress);

}  // namespace resnet
