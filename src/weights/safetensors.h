// The safetensors format: an 8-byte length, a JSON header, then the tensors' bytes.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/file.h"
#include "resnet/model_file.h"

namespace resnet {

// Tensors are views of `file`. `path` names it in errors. Throws kFormat, kLimit, kUnsupported.
TensorFile read_safetensors(std::shared_ptr<const MappedFile> file, const std::string& path);

// Writes the tensors in their order, atomically. Throws kIo.
void write_safetensors(const StateDict& tensors, const std::map<std::string, std::string>& metadata,
                       const std::string& path);

}  // namespace resnet
