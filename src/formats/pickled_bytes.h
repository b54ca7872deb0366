// Bytes in a pickle, however its protocol writes them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "formats/memory_budget.h"
#include "formats/pickle.h"
#include "formats/zip_archive.h"

namespace resnet {

// The text of a value that is text or bytes: Python 2's strings are either. Null for others.
const std::string_view* as_plain_string(const pickle::Value& value) noexcept;

// The bytes of b"...", bytearray(b"...") and of text encoded as Latin-1, which protocols before 3 write: where the
// pickle has them if they lie in `source`, else copied and charged to the budget. Nothing for other values.
std::optional<OwnedBytes> pickled_bytes(const pickle::Value& value, const OwnedBytes& source, MemoryBudget& budget);

}  // namespace resnet
