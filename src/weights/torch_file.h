// PyTorch's own files: the zip archive of torch.save since 1.6, and the pickle stream before it. Nothing in a file is
// ever executed: the reader knows the opcodes and the globals that a state dict needs and refuses all others.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "resnet/model_file.h"

namespace resnet {

// True where the bytes begin as a zip archive or as a pickle does.
bool looks_like_torch(std::span<const std::byte> bytes) noexcept;

// Tensors are views of `file` where it stores them plainly and densely, copies otherwise. `path` names it in errors.
// Throws kFormat, kLimit, kUnsupported.
TensorFile read_torch_file(std::shared_ptr<const MappedFile> file, const std::string& path);

// Writes an OrderedDict of tensors that torch.load(weights_only=True) reads, atomically. Throws kIo.
void write_torch_file(const StateDict& tensors, const std::string& path);

}  // namespace resnet
