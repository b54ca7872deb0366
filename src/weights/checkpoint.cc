#include "weights/checkpoint.h"

#include <string_view>

#include "weights/metadata.h"

namespace resnet {

bool is_checkpoint(const TensorFile& file) {
  return file.format == "safetensors" && file.metadata.contains(checkpoint::kArchitecture) &&
         !file.metadata.contains(kVersionKey);
}

void take_network(TensorFile& file) {
  constexpr std::string_view kPrefix = checkpoint::kNetPrefix;
  StateDict weights;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.starts_with(kPrefix)) weights.add(name.substr(kPrefix.size()), tensor);
  }
  file.tensors = std::move(weights);
  Metadata metadata = {{kVersionKey, kModelVersion}};
  const auto take = [&](const char* from, const char* to) {
    if (const auto found = file.metadata.find(from); found != file.metadata.end()) metadata[to] = found->second;
  };
  take(checkpoint::kArchitecture, kArchitectureKey);
  take(checkpoint::kClasses, kClassesKey);
  take(checkpoint::kPreprocessing, kPreprocessingKey);
  file.metadata = std::move(metadata);
}

}  // namespace resnet
