#include "formats/plain_values.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"
#include "formats/numpy_objects.h"

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Value;

constexpr std::uint8_t kUnseen = 0, kPlain = 1, kNotPlain = 2;  // marks

std::string number_json(double value) {
  if (std::isfinite(value)) return fmt::format("{}", value);
  return std::isnan(value) ? "\"nan\"" : value > 0 ? "\"inf\"" : "\"-inf\"";
}

// Whole numbers of more than 64 bits, as Python's hex() writes them.
std::string long_json(std::string_view bytes) {
  std::string digits;
  const bool negative = (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0;
  unsigned carry = 1;
  for (const char byte : bytes) {
    unsigned value = static_cast<unsigned char>(byte);
    if (negative) {
      value = (value ^ 0xFFU) + carry;
      carry = value >> 8;
    }
    digits.insert(0, fmt::format("{:02x}", value & 0xFFU));
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return fmt::format("\"{}0x{}\"", negative ? "-" : "", digits);
}

bool is_text(const Value& value) {
  return std::holds_alternative<pickle::Text>(value) || std::holds_alternative<pickle::Bytes>(value);
}

std::string full_name(const Global& global) {
  return global.module.empty() ? std::string(global.name) : fmt::format("{}.{}", global.module, global.name);
}

}  // namespace

bool PlainValues::is_plain(const Value& value, int depth) const {
  if (const Global* const* global = std::get_if<const Global*>(&value)) return (*global)->role != GlobalRole::kOpaque;
  Object* const* object = std::get_if<Object*>(&value);
  if (object == nullptr) return true;
  if ((*object)->mark != kUnseen) return (*object)->mark == kPlain;
  if (depth == kMaxPickleDepth) return false;
  (*object)->mark = kNotPlain;  // what refers to itself is not plain
  const bool plain = is_plain_object(**object, depth + 1);
  if (plain) (*object)->mark = kPlain;
  return plain;
}

bool PlainValues::is_plain_object(const Object& object, int depth) const {
  if (object.kind == Kind::kPersistent) return false;
  if (object.kind == Kind::kCall) {
    if (object.callee->role == GlobalRole::kPath) return true;
    const std::optional<Value> value = meaning(object);
    return value && is_plain(*value, depth);
  }
  for (const Value& item : object.items) {
    if (!is_plain(item, depth)) return false;
  }
  return true;
}

// What an object stands for; nothing where it is no plain value.
std::optional<Value> PlainValues::meaning(const Object& call) const {
  switch (call.callee->role) {
    case GlobalRole::kFirst:
      if (call.items.empty()) return pickle::None{};
      return call.items[0];
    case GlobalRole::kSize:
    case GlobalRole::kText:
    case GlobalRole::kDevice:
      if (call.items.empty()) return std::nullopt;
      return call.items[0];
    case GlobalRole::kNumpyScalar: return read_numpy_scalar(pickle_, call);
    default: return std::nullopt;
  }
}

// "a/b" of PosixPath('a', 'b').
std::string PlainValues::path_text(const Object& call) const {
  std::string path;
  for (const Value& part : call.items) {
    const std::string_view* text = pickle::as_text(part);
    if (text == nullptr) continue;
    if (!path.empty() && !path.ends_with('/')) path += '/';
    path += *text;
  }
  return path;
}

std::optional<std::string> PlainValues::json(const Value& value, std::size_t max_bytes) const {
  std::string text;
  if (!append(value, 0, max_bytes, text) || text.size() > max_bytes) return std::nullopt;
  return text;
}

std::string PlainValues::key(const Value& value, std::size_t index) const {
  if (const std::string_view* text = pickle::as_text(value)) return std::string(*text);
  if (const auto* bytes = std::get_if<pickle::Bytes>(&value)) {
    constexpr std::size_t kLongestBytes = 10'000;
    return bytes->bytes.size() > kLongestBytes ? fmt::format("#{}", index) : printable(bytes->bytes);
  }
  constexpr std::size_t kLongest = 1000;
  const Object* tuple = pickle::as(value, Kind::kTuple);
  const auto holds_object = [](const Value& item) {
    return std::holds_alternative<Object*>(item) || std::holds_alternative<const Global*>(item);
  };
  const bool simple = tuple != nullptr ? std::ranges::none_of(tuple->items, holds_object) : !holds_object(value);
  const std::optional<std::string> text = simple ? json(value, kLongest) : std::nullopt;
  return text ? *text : fmt::format("#{}", index);
}

// False where the text would be too long or the value is nested too deep.
bool PlainValues::append(const Value& value, int depth, std::size_t max_bytes, std::string& out) const {
  if (out.size() > max_bytes || depth == kMaxPickleDepth) return false;
  static_assert(kMaxValueJson <= pickle::kMaxLoadedBytes, "longer bytes are not in memory");
  max_bytes = std::min(max_bytes, kMaxValueJson);
  const auto text = [&](std::string_view raw) {
    if (raw.size() > max_bytes) return false;
    out += json_string(raw);
    return true;
  };
  struct Append {
    const PlainValues& self;
    decltype(text)& text_of;
    int depth;
    std::size_t max_bytes;
    std::string& out;

    bool add(std::string_view json) const {
      out += json;
      return true;
    }
    bool operator()(pickle::None /*none*/) const { return add("null"); }
    bool operator()(bool truth) const { return add(truth ? "true" : "false"); }
    bool operator()(std::int64_t number) const { return add(fmt::format("{}", number)); }
    bool operator()(double number) const { return add(number_json(number)); }
    bool operator()(pickle::Text value) const { return text_of(value.text); }
    bool operator()(pickle::Bytes value) const { return text_of(value.bytes); }
    bool operator()(pickle::Long value) const {
      constexpr std::size_t kLongest = 64;
      return value.bytes.size() <= kLongest && add(long_json(value.bytes));
    }
    bool operator()(const Global* global) const { return text_of(full_name(*global)); }
    bool operator()(const Object* object) const { return self.append_object(*object, depth + 1, max_bytes, out); }
  };
  return std::visit(Append{*this, text, depth, max_bytes, out}, value);
}

bool PlainValues::append_object(const Object& object, int depth, std::size_t max_bytes, std::string& out) const {
  if (object.kind == Kind::kCall) {
    if (object.callee->role == GlobalRole::kPath) {
      const std::string path = path_text(object);
      return path.size() <= max_bytes && append(pickle::Text{path}, depth, max_bytes, out);
    }
    const std::optional<Value> value = meaning(object);
    if (value && std::holds_alternative<pickle::None>(*value) && object.items.empty()) {
      out += "[]";
      return true;
    }
    return value && append(*value, depth, max_bytes, out);
  }
  const bool dict = object.kind == Kind::kDict;
  out += dict ? '{' : '[';
  for (std::size_t i = 0; i < object.items.size(); ++i) {
    const Value& item = object.items[i];
    if (i > 0) out += dict && i % 2 != 0 ? ':' : ',';
    if (dict && i % 2 == 0 && !is_text(item)) {
      out += json_string(key(item, i / 2));
    } else if (!append(item, depth, max_bytes, out)) {
      return false;
    }
  }
  out += dict ? '}' : ']';
  return true;
}

}  // namespace resnet
