// The stream that torch.save wrote before version 1.6: five pickles (a magic number, a protocol version, facts about
// the machine, the object, the keys of its storages), then each storage as a count and its raw bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/checked_file.h"
#include "formats/memory_budget.h"
#include "formats/zip_archive.h"
#include "resnet/tensor_file.h"

namespace resnet {

// Tensors are views of `file` where they are dense. Throws kFormat, kLimit, kUnsupported.
TensorFile read_torch_legacy(const std::shared_ptr<const CheckedFile>& file, const std::string& path,
                             const std::shared_ptr<MemoryBudget>& budget);

// True where the bytes begin as such a stream does, and not as any other pickle.
bool looks_like_torch_legacy(std::span<const std::byte> bytes) noexcept;

// The storage that such a stream in `stream` holds as its only object: tensors that pickle.dump() wrote have theirs so.
struct LoneStorage {
  DType type = DType::kU8;
  OwnedBytes bytes;
};

// Throws as read_torch_legacy(); kUnsupported for values of a type that is no DType.
LoneStorage read_lone_storage(const OwnedBytes& stream, const std::string& where,
                              const std::shared_ptr<MemoryBudget>& budget);

}  // namespace resnet
