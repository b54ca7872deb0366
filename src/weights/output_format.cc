#include "weights/output_format.h"

#include "base/error.h"

namespace resnet {

OutputFormat output_format(const std::string& path) {
  if (path.ends_with(".safetensors")) return OutputFormat::kSafetensors;
  for (const char* ending : {".pth", ".pt", ".th", ".bin"}) {
    if (path.ends_with(ending)) return OutputFormat::kTorch;
  }
  fail(ErrorCode::kInvalidArgument, path, "the name must end in .safetensors, .pth, .pt, .th or .bin");
}

}  // namespace resnet
