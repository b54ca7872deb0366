// PyTorch's own files: the zip archive of torch.save since 1.6, and the pickle stream before it. Nothing in a file is
// ever executed: the reader knows the opcodes and the globals that a state dict needs and refuses all others.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/checked_file.h"
#include "resnet/tensor_file.h"

namespace resnet {

// True where the bytes begin as a zip archive, a pickle or a tar archive (which read_torch_file refuses) does.
bool looks_like_torch(std::span<const std::byte> bytes) noexcept;

// Opens containers as read_tensor_file says. Tensors are views of `file` where it stores them plainly and densely,
// copies otherwise. `path` names it in errors. Throws kFormat, kLimit, kUnsupported. Memory taken is at most the file's
// size and 16 MiB: a file whose tensors unpack to more is refused.
TensorFile read_torch_file(std::shared_ptr<const CheckedFile> file, const std::string& path);

// The same of a file that torch.save() wrote since 1.6 or before, and no other.
TensorFile read_torch_save(const std::shared_ptr<const CheckedFile>& file, const std::string& path);

// Writes an OrderedDict of tensors that torch.load(weights_only=True) reads, atomically: stored entries, each tensor's
// bytes at a multiple of 64. The same input gives the same bytes. Throws kIo, kInvalidArgument for names that are not
// UTF-8.
void write_torch_file(const StateDict& tensors, const std::string& path);

}  // namespace resnet
