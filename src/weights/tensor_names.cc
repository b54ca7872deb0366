#include "weights/tensor_names.h"

#include <algorithm>
#include <array>

namespace resnet {
namespace {

constexpr std::array<std::string_view, 4> kPrefixes = {"module.", "_orig_mod.", "model.", "backbone."};
constexpr std::string_view kProjection = ".downsample.";
constexpr std::string_view kTutorialProjection = ".identity_downsample.";
constexpr std::string_view kCifarProjection = ".shortcut.";

bool strip_one_prefix(std::string_view& name) {
  return std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](std::string_view prefix) {
    if (!name.starts_with(prefix)) return false;
    name.remove_prefix(prefix.size());
    return true;
  });
}

}  // namespace

std::string torchvision_name(std::string_view name) {
  while (strip_one_prefix(name)) {
  }
  std::string result(name);
  if (name.starts_with("linear.")) result.replace(0, 6, "fc");
  for (const std::string_view other : {kTutorialProjection, kCifarProjection}) {
    const std::size_t place = result.find(other);
    if (place != std::string::npos && result.starts_with("layer")) result.replace(place, other.size(), kProjection);
  }
  return result;
}

bool is_tutorial_name(std::string_view name) noexcept { return name.find(kTutorialProjection) != name.npos; }

}  // namespace resnet
