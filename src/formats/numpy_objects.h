// NumPy's arrays and scalars as pickles hold them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "formats/memory_budget.h"
#include "formats/pickle.h"
#include "formats/zip_archive.h"
#include "resnet/tensor.h"

namespace resnet {

// The type that NumPy's code such as "<f4" means; nothing for types that are no DType.
std::optional<DType> numpy_dtype(std::string_view code) noexcept;

// True where the call makes an array.
bool is_numpy_array(const pickle::Object& call) noexcept;

// The array; its values stay where the pickle has them. `source` are the pickle's bytes, `where` names the array.
// Throws kFormat, kLimit; kUnsupported for a good array of a type that is no DType.
Tensor read_numpy_array(const pickle::Pickle& pickle, const pickle::Object& call, const OwnedBytes& source,
                        const std::shared_ptr<MemoryBudget>& budget, const std::string& where);

// A scalar as the value that it stands for: a number or a truth; nothing where it is another.
std::optional<pickle::Value> read_numpy_scalar(const pickle::Pickle& pickle, const pickle::Object& call);

}  // namespace resnet
