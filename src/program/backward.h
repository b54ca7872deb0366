// What a training pass keeps of its forward half for the backward half: which values gradients read, and which of these
// have to be stored, because they cannot be made again pixel by pixel.
#pragma once

#include <vector>

#include "program/program.h"

namespace resnet {

// What the gradients of an operation read of its own values. The gradient of a batch norm reads, besides, the mean and
// deviation that it divided by, two values a channel.
struct GradientReads {
  bool input = false;
  bool output = false;
};
GradientReads gradient_reads(const Program& program, const Operation& operation) noexcept;

enum class Kept {
  kNot,     // no gradient reads it
  kRemade,  // what a batch norm without an addition gave: computed again from what that read, which is kept
  kStored,
};

// One per value of a program lowered for training.
std::vector<Kept> kept_for_backward(const Program& program);

}  // namespace resnet
