#include "dataset/cifar_pickle.h"

#include <limits>

#include "base/error.h"
#include "formats/pickle.h"

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Value;

bool is_call(const Object* object, std::string_view name) {
  return object != nullptr && object->callee != nullptr && object->callee->name == name;
}

// Python 2's strings are text or bytes, whichever they can be read as.
const std::string_view* as_plain_string(const Value& value) {
  if (const auto* bytes = std::get_if<pickle::Bytes>(&value)) return &bytes->bytes;
  return pickle::as_text(value);
}

// The text in _codecs.encode(text, "latin1"), which is how Python 3 writes bytes for Python 2; null for other values.
const std::string_view* as_latin1(const Value& value) {
  const Object* call = pickle::as(value, Kind::kCall);
  if (!is_call(call, "encode") || call->items.size() != 2) return nullptr;
  const std::string_view* encoding = as_plain_string(call->items[1]);
  return encoding != nullptr && *encoding == "latin1" ? pickle::as_text(call->items[0]) : nullptr;
}

// Of ASCII, which all names are.
const std::string_view* as_string(const Value& value) {
  const std::string_view* plain = as_plain_string(value);
  return plain != nullptr ? plain : as_latin1(value);
}

class PickledDictionary {
 public:
  PickledDictionary(std::span<const std::byte> bytes, std::string where)
      : where_(std::move(where)),
        budget_(bytes.size(), where_),
        pickle_(pickle::read_pickle(bytes, 0, where_, budget_)) {
    if (pickle::as(pickle_.root, Kind::kDict) == nullptr) refuse("is no pickled dictionary");
  }

  const Value& at(std::string_view key) const {
    const std::vector<Value>& items = pickle::as(pickle_.root, Kind::kDict)->items;
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      const std::string_view* name = as_string(items[i]);
      if (name != nullptr && *name == key) return items[i + 1];
    }
    refuse(fmt::format("has no '{}'", key));
  }

  const std::vector<Value>& list_at(std::string_view key) const {
    const Value& value = at(key);
    const Object* list = pickle::as(value, Kind::kList);
    if (list == nullptr) list = pickle::as(value, Kind::kTuple);
    if (list == nullptr) refuse(fmt::format("its '{}' is no list", key));
    return list->items;
  }

  // The tuple that an object was given as its state; null where there is none.
  const Object* state_of(const Object* object) const {
    const auto found = pickle_.states.find(object);
    return found == pickle_.states.end() ? nullptr : pickle::as(found->second, Kind::kTuple);
  }

  [[noreturn]] void refuse(const std::string& why) const { fail(ErrorCode::kFormat, where_, "{}", why); }

 private:
  std::string where_;
  MemoryBudget budget_;
  pickle::Pickle pickle_;
};

// The array of uint8 whose rows have `columns` values.
class PickledArray {
 public:
  PickledArray(const PickledDictionary& from, const Value& value, std::size_t columns) : from_(from) {
    const Object* call = pickle::as(value, Kind::kCall);
    if (is_call(call, "_reconstruct")) {  // its state: (version, shape, dtype, Fortran's order, bytes)
      const Object* state = from_.state_of(call);
      if (state == nullptr || state->items.size() != 5) refuse();
      const bool* fortran = std::get_if<bool>(&state->items[3]);
      const auto* number = std::get_if<std::int64_t>(&state->items[3]);  // as old versions have it
      if (fortran == nullptr ? number == nullptr || *number != 0 : *fortran) refuse();
      take(state->items[1], state->items[2], state->items[4], columns);
    } else if (is_call(call, "_frombuffer")) {  // (bytes, dtype, shape, order)
      if (call->items.size() != 4) refuse();
      const std::string_view* order = as_string(call->items[3]);
      if (order == nullptr || *order != "C") refuse();
      take(call->items[2], call->items[1], call->items[0], columns);
    } else {
      refuse();
    }
  }

  std::size_t rows() const { return rows_; }
  std::string_view bytes() const { return bytes_; }
  std::string take_decoded() { return std::move(decoded_); }  // where bytes() were text; they lie in it then

 private:
  [[noreturn]] void refuse() const { from_.refuse("its 'data' is no array of uint8 with a row for each picture"); }

  void take(const Value& shape, const Value& type, const Value& bytes, std::size_t columns) {
    const Object* dtype = pickle::as(type, Kind::kCall);
    if (!is_call(dtype, "dtype") || dtype->items.empty()) refuse();
    const std::string_view* name = as_string(dtype->items[0]);
    if (name == nullptr || (*name != "u1" && *name != "|u1")) refuse();
    const Object* dimensions = pickle::as(shape, Kind::kTuple);
    if (dimensions == nullptr || dimensions->items.size() != 2) refuse();
    const auto* rows = std::get_if<std::int64_t>(&dimensions->items[0]);
    const auto* width = std::get_if<std::int64_t>(&dimensions->items[1]);
    if (rows == nullptr || width == nullptr || *rows < 0 || *width != static_cast<std::int64_t>(columns)) refuse();
    take_bytes(bytes);
    if (bytes_.size() % columns != 0 || bytes_.size() / columns != static_cast<std::size_t>(*rows)) refuse();
    rows_ = static_cast<std::size_t>(*rows);
  }

  void take_bytes(const Value& value) {
    if (const std::string_view* plain = as_plain_string(value)) {
      bytes_ = *plain;
      return;
    }
    const std::string_view* text = as_latin1(value);
    if (text == nullptr) refuse();
    decoded_.reserve(text->size());
    for (std::size_t i = 0; i < text->size(); ++i) {
      const auto first = static_cast<unsigned char>((*text)[i]);
      if (first < 0x80) {
        decoded_ += static_cast<char>(first);
        continue;
      }
      if (first > 0xC3 || ++i == text->size()) refuse();  // above U+00FF
      decoded_ += static_cast<char>((first & 0x03U) << 6 | (static_cast<unsigned char>((*text)[i]) & 0x3FU));
    }
    bytes_ = decoded_;
  }

  const PickledDictionary& from_;
  std::size_t rows_ = 0;
  std::string decoded_;
  std::string_view bytes_;
};

}  // namespace

PickledPictures read_pickled_pictures(FileBytes file, const std::string& labels_key, std::size_t bytes_each,
                                      const std::string& where) {
  const PickledDictionary dictionary(file.bytes, where);
  PickledArray data(dictionary, dictionary.at("data"), bytes_each);
  const std::vector<Value>& labels = dictionary.list_at(labels_key);
  if (labels.size() != data.rows()) {
    dictionary.refuse(fmt::format("{} pictures, but {} '{}'", data.rows(), labels.size(), labels_key));
  }
  PickledPictures result;
  for (const Value& label : labels) {
    const auto* number = std::get_if<std::int64_t>(&label);
    if (number == nullptr) dictionary.refuse(fmt::format("its '{}' are no numbers", labels_key));
    result.labels.push_back(*number < 0 || *number > std::numeric_limits<int>::max() ? -1 : static_cast<int>(*number));
  }
  const auto bytes_of = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  const std::string_view in_file = data.bytes();
  if (auto decoded = std::make_shared<const std::string>(data.take_decoded()); !decoded->empty()) {
    result.pixels.bytes = bytes_of(*decoded);
    result.pixels.owner = std::move(decoded);
  } else {
    result.pixels = {std::move(file.owner), bytes_of(in_file)};
  }
  return result;
}

std::vector<std::string> read_pickled_names(std::span<const std::byte> bytes, const std::string& names_key,
                                            const std::string& where) {
  const PickledDictionary dictionary(bytes, where);
  std::vector<std::string> names;
  for (const Value& value : dictionary.list_at(names_key)) {
    const std::string_view* name = as_string(value);
    if (name == nullptr) dictionary.refuse(fmt::format("its '{}' are no texts", names_key));
    names.emplace_back(*name);
  }
  return names;
}

}  // namespace resnet
