// The names of what a recipe chooses from, in the order of the enumerations: as files and flags spell them.
#pragma once

#include <array>
#include <string_view>

#include "resnet/recipe.h"

namespace resnet {

inline constexpr std::array<std::string_view, 2> kBadImagesNames = {"fail", "skip"};
inline constexpr std::array<std::string_view, 3> kCropNames = {"resized", "padded", "none"};
inline constexpr std::array<std::string_view, 3> kPolicyNames = {"none", "trivial", "rand"};
inline constexpr std::array<std::string_view, 3> kOptimizerNames = {"sgd", "adamw", "lamb"};
inline constexpr std::array<std::string_view, 5> kScheduleNames = {"constant", "step", "cosine", "one_cycle",
                                                                   "polynomial"};
inline constexpr std::array<std::string_view, 3> kPrecisionNames = {"fp32", "bf16", "fp16"};

// Those of other rooms.
inline const std::array<std::string_view, 4> kPresetNames = {name(Preset::kTorchvision), name(Preset::kTorchvisionV2),
                                                             name(Preset::kTimm), name(Preset::kCifar)};
inline const std::array<std::string_view, 2> kInterpolationNames = {name(Interpolation::kBilinear),
                                                                    name(Interpolation::kBicubic)};

}  // namespace resnet
