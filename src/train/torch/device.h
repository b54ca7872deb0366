// Where a network is trained and in which numbers.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>

#include "dataset/loader.h"
#include "resnet/recipe.h"
#include "resnet/torch.h"

namespace resnet {

struct Device {
  torch::Device device = torch::kCPU;
  Recipe::Precision precision = Recipe::Precision::kFp32;

  // "cpu", "cuda", "cuda:1", "auto" (CUDA where there is any). Throws kInvalidArgument for other texts, kUnsupported
  // for a device that is not there and for fp16 on a CPU.
  static Device parse(const std::string& device, Recipe::Precision precision);
};

// Moves a network there, its convolutions in memory format channels_last.
void move_to(ResNet& net, const Device& device);

// A batch's pixels (NHWC, as LoaderOptions::channels_last makes them) as a tensor of shape NCHW on the device, on a CPU
// without a copy.
torch::Tensor pixels_on(const Batch& batch, const Device& device);

// As long as it lives, operations compute in the precision asked for where torch's autocast thinks it safe.
class Autocast {
 public:
  explicit Autocast(const Device& device);
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;
  ~Autocast();

 private:
  c10::DeviceType type_;
  bool active_;
};

// float16's gradients underflow: the loss is multiplied by a scale, which falls where a gradient overflows and rises
// after 2,000 steps without (Micikevicius et al. 2017, arXiv:1710.03740, section 3.2). 1 for other precisions.
class LossScale {
 public:
  explicit LossScale(const Device& device)
      : active_(device.precision == Recipe::Precision::kFp16), value_(active_ ? 65536 : 1) {}

  double value() const noexcept { return value_; }
  void set_value(double value) noexcept { value_ = value; }

  // After a step: were all gradients finite? True where the step may be taken.
  bool update(bool finite);

 private:
  bool active_;
  double value_;
  int good_steps_ = 0;
};

}  // namespace resnet
