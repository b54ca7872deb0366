// Which values of a pickle are plain, and their JSON: None, truths, numbers, text, bytes, lists, dictionaries, and
// objects that stand for one of these (torch.Size, pathlib's paths, NumPy's scalars, ...).
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "formats/pickle.h"

namespace resnet {

inline constexpr std::size_t kMaxValueJson = std::size_t{1} << 20;  // bytes
inline constexpr int kMaxPickleDepth = 100;                         // of objects in one another that somebody goes into

class PlainValues {
 public:
  explicit PlainValues(const pickle::Pickle& pickle) : pickle_(pickle) {}

  // Each object is looked at once, however often it stands somewhere.
  bool is_plain(const pickle::Value& value) const { return is_plain(value, 0); }

  // The JSON of a plain value. Tuples and sets are arrays; numbers that JSON has not are text ("nan"), and so are bytes
  // (base/json_text.h). Nothing where it is longer than `max_bytes` or nested too deep.
  std::optional<std::string> json(const pickle::Value& value, std::size_t max_bytes) const;

  // A key of a dictionary as a part of a path. `index` is its place.
  std::string key(const pickle::Value& value, std::size_t index) const;

 private:
  bool is_plain(const pickle::Value& value, int depth) const;
  bool is_plain_object(const pickle::Object& object, int depth) const;
  std::optional<pickle::Value> meaning(const pickle::Object& call) const;
  std::string path_text(const pickle::Object& call) const;
  bool append(const pickle::Value& value, int depth, std::size_t max_bytes, std::string& out) const;
  bool append_object(const pickle::Object& object, int depth, std::size_t max_bytes, std::string& out) const;

  const pickle::Pickle& pickle_;
};

}  // namespace resnet
