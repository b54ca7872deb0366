#include "formats/numpy_objects.h"

#include <array>
#include <cstring>

#include "base/deferred_bytes.h"
#include "base/error.h"
#include "base/text.h"
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

const std::string_view* as_plain_string(const Value& value) {
  const auto* bytes = std::get_if<pickle::Bytes>(&value);
  return bytes != nullptr ? &bytes->bytes : pickle::as_text(value);
}

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
  while (!type.code.empty() && (type.code[0] == '|' || type.code[0] == '<' || type.code[0] == '=')) {
    type.code.erase(0, 1);
  }
  const auto state = pickle.states.find(call);  // (version, order of bytes, ...)
  if (state != pickle.states.end()) {
    const Object* tuple = pickle::as(state->second, Kind::kTuple);
    const std::string_view* order =
        tuple != nullptr && tuple->items.size() > 1 ? as_plain_string(tuple->items[1]) : nullptr;
    if (order == nullptr) return std::nullopt;
    if (*order == ">") type.code.insert(0, ">");
  }
  for (const CodedType& known : kCodedTypes) {
    if (known.code == type.code) type.dtype = known.type;
  }
  return type;
}

// The bytes in a value; those of a protocol before 3 are characters U+0000 to U+00FF.
struct RawBytes {
  std::string_view text;
  bool encoded = false;
};

std::optional<RawBytes> parse_bytes(const Value& value) {
  if (const std::string_view* plain = as_plain_string(value)) return RawBytes{*plain};
  const Object* call = pickle::as(value, Kind::kCall);
  if (call == nullptr || call->items.empty()) return std::nullopt;
  if (call->callee->role == GlobalRole::kFirst && call->items.size() == 1) {  // bytearray(b"...")
    const auto* bytes = std::get_if<pickle::Bytes>(&call->items[0]);
    return bytes == nullptr ? std::nullopt : std::optional(RawBytes{bytes->bytes});
  }
  const bool encodes = call->callee->role == GlobalRole::kText || call->callee->role == GlobalRole::kFirst;
  const std::string_view* text = pickle::as_text(call->items[0]);
  const std::string_view* encoding = call->items.size() == 2 ? as_plain_string(call->items[1]) : nullptr;
  if (!encodes || text == nullptr || encoding == nullptr) return std::nullopt;
  if (*encoding != "latin1" && *encoding != "latin-1") return std::nullopt;
  return RawBytes{*text, true};
}

// Characters U+0000 to U+00FF in UTF-8 as bytes; false where there are others, or not as many.
bool decode(std::string_view text, std::span<std::byte> out) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (at == out.size()) return false;
    unsigned code = static_cast<unsigned char>(text[i]);
    if (code >= 0x80) {
      if (code > 0xC3 || ++i == text.size()) return false;
      code = (code & 0x03U) << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
    }
    out[at++] = static_cast<std::byte>(code);
  }
  return at == out.size();
}

// Bytes of an array of these sizes, nothing where there are too many to count.
std::optional<std::size_t> size_of(const Shape& sizes, DType type) {
  std::size_t bytes = size_in_bytes(type);
  for (const std::int64_t size : sizes) {
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(size), &bytes)) return std::nullopt;
  }
  return bytes;
}

// What the two ways in which arrays are pickled have in common.
struct ArrayRecord {
  const Value* shape = nullptr;
  const Value* type = nullptr;
  const Value* bytes = nullptr;
  bool fortran = false;
};

class ArrayReader {
 public:
  ArrayReader(const Pickle& pickle, const OwnedBytes& source, const std::shared_ptr<MemoryBudget>& budget,
              const std::string& where)
      : pickle_(pickle), source_(source), budget_(budget), where_(where) {}

  Tensor read(const Object& call) const {
    const ArrayRecord record = call.callee->role == GlobalRole::kNumpyArray ? from_state(call) : from_buffer(call);
    const std::optional<ArrayType> type = parse_type(pickle_, *record.type);
    if (!type) malformed();
    if (!type->dtype) {
      fail(ErrorCode::kUnsupported, where_, "its values are of NumPy's type {}, which is not read",
           one_line(type->code));
    }
    TensorWindow window;
    window.dtype = *type->dtype;
    window.sizes = sizes(*record.shape);
    window.strides = dense_strides(window.sizes);
    if (record.fortran) {
      Shape turned(window.sizes.rbegin(), window.sizes.rend());
      turned = dense_strides(turned);
      window.strides.assign(turned.rbegin(), turned.rend());
    }
    return open_window(window, bytes(*record.bytes, size_of(window.sizes, window.dtype)), budget_, where_);
  }

 private:
  [[noreturn]] void malformed() const { fail(ErrorCode::kFormat, where_, "a malformed array of NumPy"); }

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

  OwnedBytes bytes(const Value& value, std::optional<std::size_t> size) const {
    const std::optional<RawBytes> raw = parse_bytes(value);
    if (!raw || !size) malformed();
    const auto text = std::as_bytes(std::span(raw->text));
    if (!raw->encoded && text.size() != *size) malformed();
    const bool in_source = std::less_equal<>()(source_.bytes.data(), text.data()) &&
                           std::less_equal<>()(text.data() + text.size(), source_.bytes.data() + source_.bytes.size());
    if (!raw->encoded && in_source) return {text, source_.owner};
    if (*size > text.size()) malformed();  // a byte has one character at least
    const auto memory = std::make_shared<std::vector<std::byte>>();
    budget_->charge(*size, "arrays of a pickle");
    memory->resize(*size);
    if (!raw->encoded) {
      std::ranges::copy(text, memory->begin());
    } else if (!decode(raw->text, *memory)) {
      malformed();
    }
    return {*memory, memory};
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

bool is_numpy_array(const Object& call) noexcept {
  return call.kind == Kind::kCall &&
         (call.callee->role == GlobalRole::kNumpyArray || call.callee->role == GlobalRole::kNumpyBuffer);
}

Tensor read_numpy_array(const Pickle& pickle, const Object& call, const OwnedBytes& source,
                        const std::shared_ptr<MemoryBudget>& budget, const std::string& where) {
  return ArrayReader(pickle, source, budget, where).read(call);
}

std::optional<Value> read_numpy_scalar(const Pickle& pickle, const Object& call) {
  if (call.items.size() != 2) return std::nullopt;
  const std::optional<ArrayType> type = parse_type(pickle, call.items[0]);
  const std::optional<RawBytes> raw = parse_bytes(call.items[1]);
  if (!type || !type->dtype || !raw) return std::nullopt;
  std::array<std::byte, 8> buffer{};
  const std::span<std::byte> bytes = std::span(buffer).first(size_in_bytes(*type->dtype));
  if (raw->encoded) {
    if (!decode(raw->text, bytes)) return std::nullopt;
  } else {
    if (raw->text.size() != bytes.size()) return std::nullopt;
    std::memcpy(bytes.data(), raw->text.data(), bytes.size());
  }
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
