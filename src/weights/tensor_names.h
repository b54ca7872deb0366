// The names that programs give to a residual network's tensors, and torchvision's names for the same tensors.
//
// Wrappers put prefixes before them (module., _orig_mod., model., backbone.), the tutorial calls a projection
// identity_downsample, CIFAR programs call it shortcut and the classifier linear. timm's names are torchvision's.
#pragma once

#include <string>
#include <string_view>

namespace resnet {

// "module.layer1.0.shortcut.0.weight" -> "layer1.0.downsample.0.weight". A name that has nothing to replace stays.
std::string torchvision_name(std::string_view name);

// True for a name that only the tutorial layout uses.
bool is_tutorial_name(std::string_view name) noexcept;

}  // namespace resnet
