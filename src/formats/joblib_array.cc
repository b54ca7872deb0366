#include "formats/joblib_array.h"

#include <charconv>

#include "formats/pickled_bytes.h"

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Value;

// Bytes of a value of a type such as "<f4"; 0 for objects. Nothing for other types.
std::optional<std::uint64_t> item_size(const Value& type) {
  const Object* call = pickle::as(type, Kind::kCall);
  if (call == nullptr || call->callee->role != GlobalRole::kNumpyType || call->items.empty()) return std::nullopt;
  const std::string_view* code = as_plain_string(call->items[0]);
  if (code == nullptr) return std::nullopt;
  const std::size_t letter = code->find_first_not_of("<>|=");
  if (letter == std::string_view::npos) return std::nullopt;
  if ((*code)[letter] == 'O') return 0;
  std::uint32_t size = 0;
  const auto [end, error] = std::from_chars(code->data() + letter + 1, code->data() + code->size(), size);
  if (error != std::errc() || end != code->data() + code->size() || size == 0) return std::nullopt;
  return (*code)[letter] == 'U' ? std::uint64_t{4} * size : size;
}

std::optional<std::uint64_t> count_of(const Value& shape) {
  const Object* tuple = pickle::as(shape, Kind::kTuple);
  if (tuple == nullptr) return std::nullopt;
  std::uint64_t count = 1;
  for (const Value& item : tuple->items) {
    const auto* size = std::get_if<std::int64_t>(&item);
    if (size == nullptr || *size < 0) return std::nullopt;
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(*size), &count)) return std::nullopt;
  }
  return count;
}

}  // namespace

std::optional<JoblibArray> joblib_array(const pickle::Pickle& pickle, const Object& object) {
  const auto state = pickle.states.find(&object);
  const Object* attributes = state == pickle.states.end() ? nullptr : pickle::as(state->second, Kind::kDict);
  if (attributes == nullptr) return std::nullopt;
  JoblibArray array;
  for (std::size_t i = 0; i + 1 < attributes->items.size(); i += 2) {
    const std::string_view* name = pickle::as_text(attributes->items[i]);
    const Value& value = attributes->items[i + 1];
    if (name == nullptr) continue;
    if (*name == "shape") array.shape = &value;
    if (*name == "dtype") array.type = &value;
    if (*name == "order") {
      const std::string_view* order = as_plain_string(value);
      array.fortran = order != nullptr && *order == "F";
    }
    if (*name == "numpy_array_alignment_bytes") array.padded = !std::holds_alternative<pickle::None>(value);
  }
  if (array.shape == nullptr || array.type == nullptr) return std::nullopt;
  const auto size = item_size(*array.type);
  const auto count = count_of(*array.shape);
  if (!size || !count) return std::nullopt;
  if (*size == 0) return array;  // objects
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(*count, *size, &bytes)) return std::nullopt;
  array.bytes = bytes;
  return array;
}

}  // namespace resnet
