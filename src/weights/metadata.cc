#include "weights/metadata.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "weights/class_names.h"

namespace resnet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxJson = 65'536;  // bytes: such a document stays small in memory however it is nested

bool is_our_key(const std::string& key) {
  return key == kVersionKey || key == kArchitectureKey || key == kClassesKey || key == kPreprocessingKey;
}

std::string place(const std::string& where, const char* key) { return fmt::format("{}: metadata {}", where, key); }

// The shortest decimal number that is read back as the same float.
double shortest(float value) {
  const double decimal = std::stod(fmt::format("{}", value));
  return static_cast<float>(decimal) == value ? decimal : static_cast<double>(value);
}

Json numbers(const std::vector<float>& values) {
  Json result = Json::array();
  for (const float value : values) result.push_back(shortest(value));
  return result;
}

// The fields of one JSON object. Each is taken by its name; what is left over is an error.
class Fields {
 public:
  Fields(const std::string& text, std::string where) : where_(std::move(where)) {
    if (text.size() > kMaxJson) fail(ErrorCode::kLimit, where_, "{} bytes, more than {}", text.size(), kMaxJson);
    std::set<std::string> names;
    std::string twice;
    const auto look = [&](int depth, Json::parse_event_t event, const Json& key) {
      if (depth == 1 && event == Json::parse_event_t::key && !names.insert(key.get<std::string>()).second)
        twice = key.get<std::string>();
      return true;
    };
    if (text.find('\0') == std::string::npos)
      object_ = Json::parse(text, look, /*allow_exceptions=*/false);  // a zero would end it
    if (!object_.is_object()) fail(ErrorCode::kFormat, where_, "not a JSON object");
    if (!twice.empty()) fail(ErrorCode::kFormat, where_, "field '{}' stands twice", one_line(twice));
  }

  // The functions validate() know narrower limits.
  int integer(const char* field) { return integer(take(field), field); }

  std::vector<int> integers(const char* field) {
    std::vector<int> result;
    for (const Json& item : array(field)) result.push_back(integer(item, field));
    return result;
  }

  std::vector<float> floats(const char* field) {
    std::vector<float> result;
    for (const Json& item : array(field)) {
      if (!item.is_number()) refuse(field, "must be numbers");
      result.push_back(static_cast<float>(item.get<double>()));
      if (!std::isfinite(result.back())) refuse(field, "must be finite");
    }
    return result;
  }

  bool boolean(const char* field) {
    const Json& value = take(field);
    if (!value.is_boolean()) refuse(field, "must be true or false");
    return value.get<bool>();
  }

  std::string text(const char* field) {
    const Json& value = take(field);
    if (!value.is_string()) refuse(field, "must be a string");
    return value.get<std::string>();
  }

  void done() const {
    for (const auto& [key, value] : object_.items()) {
      if (!taken_.contains(key)) fail(ErrorCode::kFormat, where_, "unknown field '{}'", one_line(key));
    }
  }

  [[noreturn]] void refuse(const char* field, const std::string& message) const {
    fail(ErrorCode::kFormat, where_, "{} {}", field, message);
  }

 private:
  const Json& take(const char* field) {
    const auto place = object_.find(field);
    if (place == object_.end()) refuse(field, "is missing");
    taken_.insert(field);
    return *place;
  }

  const Json& array(const char* field) {
    const Json& value = take(field);
    if (!value.is_array()) refuse(field, "must be an array");
    return value;
  }

  int integer(const Json& value, const char* field) const {
    constexpr int kMax = std::numeric_limits<int>::max();
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMax) {
      refuse(field, fmt::format("must be a whole number, 0 to {}", kMax));
    }
    return value.get<int>();
  }

  std::string where_;
  Json object_;
  std::set<std::string> taken_;
};

// A name is shown to people and goes into file names of theirs.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == name.npos;
}

void check_channels(const Preprocessing& p, int channels) {
  const auto count = static_cast<std::size_t>(channels);
  if (p.mean.size() == count && p.std.size() == count) return;
  fail(ErrorCode::kInvalidArgument, "mean", "there must be {} of it and of std, one per input channel", count);
}

Preprocessing parse_preprocessing(Fields& fields, int channels) {
  Preprocessing p;
  p.height = fields.integer("height");
  p.width = fields.integer("width");
  p.resize = fields.integer("resize");
  p.interpolation = parse_interpolation(fields.text("interpolation"));
  p.mean = fields.floats("mean");
  p.std = fields.floats("std");
  fields.done();
  check_channels(p, channels);
  validate(p);
  return p;
}

Architecture parse_architecture(Fields& fields) {
  Architecture a;
  a.name = fields.text("name");
  if (!is_plain_name(a.name)) fields.refuse("name", "must be 1 to 64 letters, digits, '_', '.' or '-'");
  a.block = parse_block(fields.text("block"));
  a.depths = fields.integers("depths");
  a.widths = fields.integers("widths");
  a.groups = fields.integer("groups");
  a.width_per_group = fields.integer("width_per_group");
  a.stem = parse_stem(fields.text("stem"));
  a.stem_width = fields.integer("stem_width");
  a.shortcut = parse_shortcut(fields.text("shortcut"));
  a.in_channels = fields.integer("in_channels");
  a.classes = fields.integer("classes");
  a.stride_on_first = fields.boolean("stride_on_first");
  a.conv_bias = fields.boolean("conv_bias");
  a.dilated_stages = fields.integer("dilated_stages");
  a.layout = parse_layout(fields.text("layout"));
  fields.done();
  validate(a);
  return a;
}

// parse(fields) of the JSON under a key, nothing where there is none. What the value's own functions throw is told as
// the file's fault.
template <typename Parse>
auto read_value(const Metadata& metadata, const char* key, const std::string& where, const Parse& parse)
    -> std::optional<decltype(parse(std::declval<Fields&>()))> {
  const auto value = metadata.find(key);
  if (value == metadata.end()) return std::nullopt;
  const std::string here = place(where, key);
  Fields fields(value->second, here);
  try {
    return parse(fields);
  } catch (const Error& error) {
    if (error.where() == here) throw;
    fail(ErrorCode::kFormat, here, "{}", one_line(error.what()));
  }
}

}  // namespace

Json to_json(const Architecture& a) {
  return {{"name", a.name},
          {"block", name(a.block)},
          {"depths", a.depths},
          {"widths", a.widths},
          {"groups", a.groups},
          {"width_per_group", a.width_per_group},
          {"stem", name(a.stem)},
          {"stem_width", a.stem_width},
          {"shortcut", name(a.shortcut)},
          {"in_channels", a.in_channels},
          {"classes", a.classes},
          {"stride_on_first", a.stride_on_first},
          {"conv_bias", a.conv_bias},
          {"dilated_stages", a.dilated_stages},
          {"layout", name(a.layout)}};
}

Json to_json(const Preprocessing& p) {
  return {{"height", p.height},      {"width", p.width},
          {"resize", p.resize},      {"interpolation", name(p.interpolation)},
          {"mean", numbers(p.mean)}, {"std", numbers(p.std)}};
}

Metadata to_metadata(const Model& model) {
  const auto refuse = [](const char* field, std::string_view message) {
    fail(ErrorCode::kInvalidArgument, field, "{}", message);
  };
  Metadata result = other_keys(model.metadata);
  const auto put = [&](const char* key, const Json& json) {
    std::string text = json.dump();
    if (key != kClassesKey && text.size() > kMaxJson) refuse(key, "more than 65536 bytes of JSON");
    result[key] = std::move(text);
  };
  if (!is_plain_name(model.architecture.name)) refuse("name", "must be 1 to 64 letters, digits, '_', '.' or '-'");
  result.insert_or_assign(kVersionKey, std::string(kModelVersion));
  put(kArchitectureKey, to_json(model.architecture));
  if (!model.classes.empty()) {
    const auto wanted = static_cast<std::size_t>(model.architecture.classes);
    if (model.classes.size() != wanted) {
      fail(ErrorCode::kInvalidArgument, "classes", "{} names for {} classes", model.classes.size(), wanted);
    }
    for (std::size_t i = 0; i < wanted; ++i) check_class_name(model.classes[i], i + 1, "classes");
    put(kClassesKey, model.classes);
  }
  if (model.preprocessing) {
    check_channels(*model.preprocessing, model.architecture.in_channels);
    validate(*model.preprocessing);
    put(kPreprocessingKey, to_json(*model.preprocessing));
  }
  return result;
}

bool describes_model(const Metadata& metadata, const std::string& where) {
  const auto version = metadata.find(kVersionKey);
  if (version == metadata.end()) {
    for (const auto& [key, value] : metadata) {
      if (is_our_key(key)) fail(ErrorCode::kFormat, where, "metadata has {} but no {}", key, kVersionKey);
    }
    return false;
  }
  if (version->second != kModelVersion) {
    fail(ErrorCode::kUnsupported, place(where, kVersionKey), "'{}' is not a version that is known ('{}' is)",
         one_line(version->second), kModelVersion);
  }
  return true;
}

std::optional<Architecture> read_architecture(const Metadata& metadata, const std::string& where) {
  return read_value(metadata, kArchitectureKey, where, parse_architecture);
}

std::optional<Preprocessing> read_preprocessing(const Metadata& metadata, int channels, const std::string& where) {
  return read_value(metadata, kPreprocessingKey, where,
                    [channels](Fields& fields) { return parse_preprocessing(fields, channels); });
}

std::vector<std::string> read_classes(const Metadata& metadata, int classes, const std::string& where) {
  const auto value = metadata.find(kClassesKey);
  if (value == metadata.end()) return {};
  const std::string here = place(where, kClassesKey);
  const auto wanted = static_cast<std::size_t>(classes);
  std::vector<std::string> names = parse_class_names_json(value->second, wanted, here);
  if (names.size() != wanted) fail(ErrorCode::kMismatch, here, "{} names for {} classes", names.size(), wanted);
  return names;
}

Metadata other_keys(const Metadata& metadata) {
  Metadata result;
  for (const auto& [key, value] : metadata) {
    if (!is_our_key(key)) result.emplace(key, value);
  }
  return result;
}

}  // namespace resnet
