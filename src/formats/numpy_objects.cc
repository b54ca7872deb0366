#include "formats/numpy_objects.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"
#include "formats/joblib_array.h"
#include "formats/pickle_text.h"
#include "formats/pickled_bytes.h"
#include "formats/tensor_window.h"

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Pickle;
using pickle::Value;

struct CodedType {
  std::string_view code;
  DType type;
};
constexpr std::array<CodedType, 12> kCodedTypes = {{{"f4", DType::kF32},
                                                    {"f2", DType::kF16},
                                                    {"f8", DType::kF64},
                                                    {"i1", DType::kI8},
                                                    {"i2", DType::kI16},
                                                    {"i4", DType::kI32},
                                                    {"i8", DType::kI64},
                                                    {"u1", DType::kU8},
                                                    {"u2", DType::kU16},
                                                    {"u4", DType::kU32},
                                                    {"u8", DType::kU64},
                                                    {"b1", DType::kBool}}};

// What numpy.dtype was called with, and its state, say.
struct ArrayType {
  std::string code;  // "f4", with '>' before it where the bytes are big-endian
  std::optional<DType> dtype;
};

std::optional<ArrayType> parse_type(const Pickle& pickle, const Value& value) {
  const Object* call = pickle::as(value, Kind::kCall);
  if (call == nullptr || call->callee->role != GlobalRole::kNumpyType || call->items.empty()) return std::nullopt;
  const std::string_view* code = as_plain_string(call->items[0]);
  if (code == nullptr) return std::nullopt;
  ArrayType type = {std::string(*code), std::nullopt};
  const auto state = pickle.states.find(call);  // (version, order of bytes, ...)
  if (state != pickle.states.end()) {
    const Object* tuple = pickle::as(state->second, Kind::kTuple);
    const std::string_view* order =
        tuple != nullptr && tuple->items.size() > 1 ? as_plain_string(tuple->items[1]) : nullptr;
    if (order == nullptr) return std::nullopt;
    if (*order == ">") type.code.insert(0, ">");
  }
  type.dtype = numpy_dtype(type.code);
  return type;
}

// Bytes of an array of these sizes, nothing where there are too many to count.
std::optional<std::size_t> array_size(const Shape& sizes, DType type) {
  std::size_t bytes = size_in_bytes(type);
  for (const std::int64_t size : sizes) {
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(size), &bytes)) return std::nullopt;
  }
  return bytes;
}

// What the ways in which arrays are pickled have in common.
struct ArrayRecord {
  const Value* shape = nullptr;
  const Value* type = nullptr;
  const Value* bytes = nullptr;  // null where the values are objects
  bool fortran = false;
};

// Characters of each text of a type such as "<U12"; nothing for other types.
std::optional<std::uint32_t> text_width(std::string_view code) {
  if (!code.empty() && (code[0] == '<' || code[0] == '=')) code.remove_prefix(1);
  std::uint32_t width = 0;
  if (!code.starts_with('U')) return std::nullopt;
  const auto [end, error] = std::from_chars(code.data() + 1, code.data() + code.size(), width);
  if (error != std::errc() || end != code.data() + code.size()) return std::nullopt;
  return width;
}

// Up to the zeros that fill a text of fixed width.
std::string decode_text(std::span<const std::byte> bytes) {
  std::string text;
  for (; bytes.size() >= sizeof(std::uint32_t); bytes = bytes.subspan(sizeof(std::uint32_t))) {
    std::uint32_t code = 0;
    std::memcpy(&code, bytes.data(), sizeof(code));
    if (code == 0) break;
    const bool valid = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    pickle::append_utf8(valid ? code : 0xFFFD, text);
  }
  return text;
}

class ArrayReader {
 public:
  ArrayReader(const Pickle& pickle, const OwnedBytes& source, const std::shared_ptr<MemoryBudget>& budget,
              const std::string& where)
      : pickle_(pickle), source_(source), budget_(budget), where_(where) {}

  Tensor read(const Object& call) const {
    const ArrayRecord record = record_of(call);
    const std::optional<ArrayType> type = parse_type(pickle_, *record.type);
    if (!type) malformed();
    if (!type->dtype) {
      fail(ErrorCode::kUnsupported, where_, "its values are of NumPy's type {}, which is not read",
           one_line(type->code));
    }
    if (record.bytes == nullptr) malformed();
    TensorWindow window;
    window.dtype = *type->dtype;
    window.sizes = sizes(*record.shape);
    window.strides = record.fortran ? fortran_strides(window.sizes) : dense_strides(window.sizes);
    const std::optional<std::size_t> size = array_size(window.sizes, window.dtype);
    const std::optional<OwnedBytes> bytes = pickled_bytes(*record.bytes, source_, *budget_);
    if (!size || !bytes || bytes->bytes.size() != *size) malformed();
    return open_window(window, *bytes, budget_, where_);
  }

  std::optional<std::string> text(const Object& call, std::size_t max_bytes) const {
    if (call.callee->role == GlobalRole::kNumpyScalar) {
      if (call.items.size() != 2) return std::nullopt;
      const auto type = parse_type(pickle_, call.items[0]);
      if (!type || !text_width(type->code)) return std::nullopt;
      const auto bytes = pickled_bytes(call.items[1], source_, *budget_);
      return bytes ? numpy_text_json(type->code, {}, bytes->load(), max_bytes) : std::nullopt;
    }
    const ArrayRecord record = record_of(call);
    const auto type = parse_type(pickle_, *record.type);
    if (!type || !text_width(type->code) || record.bytes == nullptr) return std::nullopt;
    const auto bytes = pickled_bytes(*record.bytes, source_, *budget_);
    return bytes ? numpy_text_json(type->code, sizes(*record.shape), bytes->load(), max_bytes) : std::nullopt;
  }

 private:
  [[noreturn]] void malformed() const { fail(ErrorCode::kFormat, where_, "a malformed array of NumPy"); }

  ArrayRecord record_of(const Object& call) const {
    if (call.callee->role == GlobalRole::kNumpyArray) return from_state(call);
    return call.callee->role == GlobalRole::kJoblibArray ? from_joblib(call) : from_buffer(call);
  }

  ArrayRecord from_state(const Object& call) const {
    const auto state = pickle_.states.find(&call);
    const Object* tuple = state == pickle_.states.end() ? nullptr : pickle::as(state->second, Kind::kTuple);
    if (tuple == nullptr || tuple->items.size() != 5) malformed();
    const bool* fortran = std::get_if<bool>(&tuple->items[3]);
    const auto* number = std::get_if<std::int64_t>(&tuple->items[3]);  // as old versions have it
    if (fortran == nullptr && number == nullptr) malformed();
    return {&tuple->items[1], &tuple->items[2], &tuple->items[4], fortran != nullptr ? *fortran : *number != 0};
  }

  ArrayRecord from_buffer(const Object& call) const {
    if (call.items.size() != 4) malformed();
    const std::string_view* order = as_plain_string(call.items[3]);
    if (order == nullptr || (*order != "C" && *order != "F")) malformed();
    return {&call.items[2], &call.items[1], &call.items[0], *order == "F"};
  }

  ArrayRecord from_joblib(const Object& call) const {
    const std::optional<JoblibArray> array = joblib_array(pickle_, call);
    if (!array) malformed();
    const auto bytes = pickle_.attached.find(&call);  // objects have none
    return {array->shape, array->type, bytes == pickle_.attached.end() ? nullptr : &bytes->second, array->fortran};
  }

  Shape sizes(const Value& value) const {
    const Object* tuple = pickle::as(value, Kind::kTuple);
    if (tuple == nullptr) malformed();
    if (tuple->items.size() > kMaxTensorRank) {
      fail(ErrorCode::kLimit, where_, "more than {} dimensions", kMaxTensorRank);
    }
    Shape result;
    for (const Value& item : tuple->items) {
      const auto* size = std::get_if<std::int64_t>(&item);
      if (size == nullptr || *size < 0) malformed();
      result.push_back(*size);
    }
    return result;
  }

  const Pickle& pickle_;
  const OwnedBytes& source_;
  const std::shared_ptr<MemoryBudget>& budget_;
  const std::string& where_;
};

template <typename T>
T number_of(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

}  // namespace

std::optional<DType> numpy_dtype(std::string_view code) noexcept {
  if (!code.empty() && (code[0] == '<' || code[0] == '|' || code[0] == '=')) code.remove_prefix(1);
  const auto* known = std::ranges::find(kCodedTypes, code, &CodedType::code);
  return known == kCodedTypes.end() ? std::nullopt : std::optional(known->type);
}

bool is_numpy_array(const Object& call) noexcept {
  return call.kind == Kind::kCall &&
         (call.callee->role == GlobalRole::kNumpyArray || call.callee->role == GlobalRole::kNumpyBuffer ||
          call.callee->role == GlobalRole::kJoblibArray);
}

Tensor read_numpy_array(const Pickle& pickle, const Object& call, const OwnedBytes& source,
                        const std::shared_ptr<MemoryBudget>& budget, const std::string& where) {
  return ArrayReader(pickle, source, budget, where).read(call);
}

std::optional<std::string> numpy_text_json(std::string_view code, const Shape& sizes, std::span<const std::byte> bytes,
                                           std::size_t max_bytes) {
  const auto width = text_width(code);
  if (!width || sizes.size() > 1) return std::nullopt;
  const std::size_t size = *width * sizeof(std::uint32_t);
  const std::size_t count = sizes.empty() ? 1 : static_cast<std::size_t>(sizes[0]);
  if (size == 0 || bytes.size() / size != count || bytes.size() % size != 0) return std::nullopt;
  if (bytes.size() > max_bytes / 2) return std::nullopt;  // before any work: JSON may be longer than the array
  std::string json;
  for (std::size_t i = 0; i < count; ++i) {
    json += fmt::format("{}{}", i == 0 ? "" : ",", json_string(decode_text(bytes.subspan(i * size, size))));
    if (json.size() > max_bytes) return std::nullopt;
  }
  return sizes.empty() ? json : "[" + json + "]";
}

std::optional<std::string> read_numpy_text(const Pickle& pickle, const Object& call, const OwnedBytes& source,
                                           const std::shared_ptr<MemoryBudget>& budget, const std::string& where,
                                           std::size_t max_bytes) {
  return ArrayReader(pickle, source, budget, where).text(call, max_bytes);
}

std::optional<Value> read_numpy_scalar(const Pickle& pickle, const Object& call) {
  if (call.items.size() != 2) return std::nullopt;
  const std::optional<ArrayType> type = parse_type(pickle, call.items[0]);
  if (!type || !type->dtype) return std::nullopt;
  constexpr std::size_t kLongest = 64;
  MemoryBudget budget(kLongest, "scalar");
  const std::string_view* plain = as_plain_string(call.items[1]);
  if (plain != nullptr && plain->size() > kLongest) return std::nullopt;
  const std::optional<OwnedBytes> raw = pickled_bytes(call.items[1], {}, budget);
  if (!raw || raw->bytes.size() != size_in_bytes(*type->dtype)) return std::nullopt;
  const std::span<const std::byte> bytes = raw->bytes;
  switch (*type->dtype) {
    case DType::kBool: return bytes[0] != std::byte{0};
    case DType::kF64: return number_of<double>(bytes);
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16: {
      const Tensor value = Tensor::view(*type->dtype, {}, bytes, nullptr).to_f32().copy();
      return static_cast<double>(value.f32()[0]);
    }
    case DType::kI8: return std::int64_t{number_of<std::int8_t>(bytes)};
    case DType::kI16: return std::int64_t{number_of<std::int16_t>(bytes)};
    case DType::kI32: return std::int64_t{number_of<std::int32_t>(bytes)};
    case DType::kI64: return number_of<std::int64_t>(bytes);
    case DType::kU8: return std::int64_t{number_of<std::uint8_t>(bytes)};
    case DType::kU16: return std::int64_t{number_of<std::uint16_t>(bytes)};
    case DType::kU32: return std::int64_t{number_of<std::uint32_t>(bytes)};
    case DType::kU64: {
      const auto value = number_of<std::uint64_t>(bytes);
      if (value > INT64_MAX) return std::nullopt;
      return static_cast<std::int64_t>(value);
    }
  }
  return std::nullopt;
}

}  // namespace resnet
