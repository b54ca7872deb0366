// Arrays as joblib.dump() writes them: the pickle has an object with shape and type, and behind it, in the middle of
// the stream, stand the array's values.
#pragma once

#include <cstdint>
#include <optional>

#include "formats/pickle.h"

namespace resnet {

struct JoblibArray {
  const pickle::Value* shape = nullptr;
  const pickle::Value* type = nullptr;
  bool fortran = false;
  bool padded = false;                 // a byte that counts padding, and the padding, stand before the values
  std::optional<std::uint64_t> bytes;  // of the values; nothing where they are objects, in a pickle of their own
};

// What the state of an object says of its array; nothing where that is malformed.
std::optional<JoblibArray> joblib_array(const pickle::Pickle& pickle, const pickle::Object& object);

}  // namespace resnet
