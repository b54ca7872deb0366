// From 8-bit pixels to the float values of a tensor: scale to 0..1, subtract the mean, divide by the standard
// deviation, in float32 as torch computes it. There are only 256 values a channel, so it is a table.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "resnet/image.h"
#include "resnet/preprocessing.h"

namespace resnet {

using ValueTable = std::array<float, 256>;

struct ValueTables {
  explicit ValueTables(const Preprocessing& how);

  std::vector<ValueTable> of;  // each channel of the tensor
  bool reversed;               // the tensor's first channel is the picture's last
};

// Planes of floats, each `plane` values behind the one before, their rows `row` values apart. `image` has as many
// channels as there are tables.
void normalise_planes(const Image& image, const ValueTables& tables, float* out, std::size_t row, std::size_t plane);

// Floats in the order of the pixels (channels last).
void normalise_interleaved(const Image& image, const ValueTables& tables, float* out);

}  // namespace resnet
