// The safetensors format (https://huggingface.co/docs/safetensors): an 8-byte little-endian length, a JSON header of
// that length, then the tensors' bytes without holes.
//
//   {"__metadata__": {"key": "text", ...}, "fc.bias": {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]},
//   ...}
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/checked_file.h"
#include "resnet/tensor_file.h"

namespace resnet {

// The longest header that readers of the format accept.
inline constexpr std::size_t kMaxSafetensorsHeader = 100'000'000;

// The longest JSON string in a header that this reader accepts, quotes and escapes included.
inline constexpr std::size_t kMaxSafetensorsString = std::size_t{1} << 20;

// True where a header could stand: its first character follows a length below 2^32.
bool looks_like_safetensors(std::span<const std::byte> bytes) noexcept;

// Tensors are views of `file`, in the order of the header. `path` names it in errors. Throws kFormat, kLimit,
// kUnsupported. Memory taken is at most the file's size and 16 MiB.
TensorFile read_safetensors(std::shared_ptr<const CheckedFile> file, const std::string& path);

// Writes the tensors atomically: the header names them in their order, their bytes go widest type first, so that each
// is aligned to its type. The same input gives the same bytes. Throws kIo, kInvalidArgument for names that are not
// UTF-8, kLimit for a header that readers would refuse.
void write_safetensors(const StateDict& tensors, const std::map<std::string, std::string>& metadata,
                       const std::string& path);

}  // namespace resnet
