#include "train/torch/device.h"

#include <ATen/autocast_mode.h>

#include <charconv>

#include "base/error.h"
#include "base/text.h"

namespace resnet {
namespace {

torch::Device parse_device(const std::string& text) {
  if (text == "cpu") return torch::kCPU;
  const int count = torch::cuda::device_count();  // NOLINT(bugprone-signed-char-misuse): a number, not a letter
  if (text == "auto") return count > 0 ? torch::kCUDA : torch::kCPU;
  int index = 0;
  if (text != "cuda") {
    const char* const end = text.data() + text.size();
    const bool indexed = text.starts_with("cuda:");
    const auto [after, error] = std::from_chars(text.data() + (indexed ? 5 : text.size()), end, index);
    if (!indexed || error != std::errc() || after != end || index < 0) {
      fail(ErrorCode::kInvalidArgument, "device", "'{}' is none of cpu, cuda, cuda:N, auto", one_line(text));
    }
  }
  if (count == 0) fail(ErrorCode::kUnsupported, "device", "{}: this machine or this LibTorch has no CUDA", text);
  if (index >= count) fail(ErrorCode::kUnsupported, "device", "{}: there are {} CUDA devices", text, count);
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace

Device Device::parse(const std::string& device, Recipe::Precision precision) {
  const Device result{parse_device(device), precision};
  if (precision == Recipe::Precision::kFp16 && !result.device.is_cuda()) {
    fail(ErrorCode::kUnsupported, "precision", "fp16 needs CUDA; a CPU has bf16");
  }
  return result;
}

void move_to(ResNet& net, const Device& device) {
  net->to(device.device);
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& parameter : net->parameters()) {
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
}

torch::Tensor pixels_on(const Batch& batch, const Device& device) {
  const std::int64_t n = static_cast<std::int64_t>(batch.size);
  const std::int64_t c = batch.channels, h = batch.height, w = batch.width;
  const auto keep = batch.pixels;
  const torch::Tensor pixels = torch::from_blob(
      batch.pixels.get(), {n, c, h, w}, {h * w * c, 1, w * c, c}, [keep](void*) {}, torch::kFloat);
  return pixels.to(device.device, /*non_blocking=*/true);
}

Autocast::Autocast(const Device& device)
    : type_(device.device.type()), active_(device.precision != Recipe::Precision::kFp32) {
  if (!active_) return;
  at::autocast::set_autocast_enabled(type_, true);
  at::autocast::set_autocast_dtype(type_,
                                   device.precision == Recipe::Precision::kBf16 ? torch::kBFloat16 : torch::kHalf);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, false);
}

bool LossScale::update(bool finite) {
  constexpr int kPatience = 2000;
  if (!active_) return true;
  if (!finite) {
    value_ /= 2;
    good_steps_ = 0;
  } else if (++good_steps_ == kPatience) {
    value_ *= 2;
    good_steps_ = 0;
  }
  return finite;
}

}  // namespace resnet
