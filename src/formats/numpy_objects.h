// NumPy's arrays and scalars as pickles hold them.
#pragma once

#include <cstddef>
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

// The type that NumPy's code such as "<f4" means; nothing for types that are no DType.
std::optional<DType> numpy_dtype(std::string_view code) noexcept;

// True where the call makes an array.
bool is_numpy_array(const pickle::Object& call) noexcept;

// The array; its values stay where the pickle has them. `source` are the pickle's bytes, `where` names the array.
// Throws kFormat, kLimit; kUnsupported for a good array of a type that is no DType.
Tensor read_numpy_array(const pickle::Pickle& pickle, const pickle::Object& call, const OwnedBytes& source,
                        const std::shared_ptr<MemoryBudget>& budget, const std::string& where);

// The JSON of a list of texts, or of a single one, in NumPy's type of text ("<U12"); nothing for other types, for
// arrays of more dimensions, and where it is longer than `max_bytes`.
std::optional<std::string> numpy_text_json(std::string_view code, const Shape& sizes, std::span<const std::byte> bytes,
                                           std::size_t max_bytes);

// The same of a pickled array or scalar. Throws kFormat for a malformed array.
std::optional<std::string> read_numpy_text(const pickle::Pickle& pickle, const pickle::Object& call,
                                           const OwnedBytes& source, const std::shared_ptr<MemoryBudget>& budget,
                                           const std::string& where, std::size_t max_bytes);

// A scalar as the value that it stands for: a number or a truth; nothing where it is another.
std::optional<pickle::Value> read_numpy_scalar(const pickle::Pickle& pickle, const pickle::Object& call);

}  // namespace resnet
