// In which format a model file is written: its name decides.
#pragma once

#include <string>

namespace resnet {

enum class OutputFormat { kSafetensors, kTorch };

// By the end of the name: .safetensors, or .pth, .pt, .th, .bin. Throws kInvalidArgument for others.
OutputFormat output_format(const std::string& path);

}  // namespace resnet
