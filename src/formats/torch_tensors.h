// From a pickle's tree to tensors: finds the state dict in what torch.save was given, checks every tensor of it against
// its storage, and views or gathers the values.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "formats/memory_budget.h"
#include "formats/pickle.h"
#include "formats/zip_archive.h"
#include "resnet/tensor_file.h"

namespace resnet {

// What a persistent id says of a storage: ("storage", class, key, device, number of elements[, view]).
struct StorageId {
  std::string_view key;
  std::optional<DType> dtype;  // nothing for untyped bytes
  std::uint64_t count = 0;
  std::uint64_t view_begin = 0;  // elements that a view leaves out before its own (legacy files)
  std::uint64_t view_count = 0;  // == count where it is no view

  std::size_t element_size() const noexcept { return dtype ? size_in_bytes(*dtype) : 1; }
};

// Throws kFormat where the object is no such id.
StorageId parse_storage_id(const pickle::Object& persistent, const std::string& where);

// All bytes of a storage, count x element_size of them. May throw.
using StorageReader = std::function<OwnedBytes(const StorageId&)>;

// Fills `file` with the tensors of the state dict at `root` or in one of its containers. Throws kFormat, kLimit,
// kUnsupported.
void read_state_dict(const pickle::Value& root, const StorageReader& storages, const std::string& path,
                     MemoryBudget& budget, TensorFile& file);

}  // namespace resnet
