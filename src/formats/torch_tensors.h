// From the calls in a pickle that make tensors to tensors: each is checked against its storage. Strict: a record that
// no PyTorch writes is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/memory_budget.h"
#include "formats/pickle.h"
#include "formats/zip_archive.h"
#include "resnet/tensor.h"

namespace resnet {

// What a persistent id says of a storage: ("storage", class, key, device, number of elements[, view]).
struct StorageId {
  std::string_view key;
  const Global* type = nullptr;
  std::uint64_t count = 0;
  std::uint64_t view_begin = 0;  // elements that a view leaves out before its own (legacy files)
  std::uint64_t view_count = 0;  // == count where it is no view

  // Nothing for untyped bytes and for values that are no DType.
  std::optional<DType> dtype() const noexcept { return type->dtype; }
  // 0 where the class is not known.
  std::size_t element_size() const noexcept { return storage_element_size(*type); }
};

// Throws kFormat where the object is no such id.
StorageId parse_storage_id(const pickle::Object& persistent, const std::string& where);

// All bytes of a storage, count x element_size of them, which need not be loaded. May throw.
using StorageReader = std::function<OwnedBytes(const StorageId&)>;

// The call of a function that rebuilds a tensor.
struct TensorCall {
  const Global* function = nullptr;  // null where a value is no such call
  std::span<const pickle::Value> arguments;
};

// The call in the value, out of the parameter or the class derived from torch.Tensor that it may be wrapped in.
TensorCall find_tensor(const pickle::Value& value);

class TorchTensors {
 public:
  // `pickle` are the bytes that calls come from; some pickles hold storages themselves.
  TorchTensors(StorageReader storages, OwnedBytes pickle, std::shared_ptr<MemoryBudget> budget)
      : storages_(std::move(storages)), pickle_(std::move(pickle)), budget_(std::move(budget)) {}

  // `where` names the tensor in errors. Throws kFormat, kLimit; kUnsupported for a good tensor of a kind that is not
  // read.
  Tensor read(const TensorCall& call, const std::string& where) const;

 private:
  StorageReader storages_;
  OwnedBytes pickle_;
  std::shared_ptr<MemoryBudget> budget_;
};

}  // namespace resnet
