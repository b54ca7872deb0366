#include "weights/metadata.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "weights/architecture_fields.h"
#include "weights/class_names.h"

namespace resnet {
namespace {

using OrderedJson = nlohmann::ordered_json;

bool is_our_key(const std::string& key) {
  return key == kVersionKey || key == kArchitectureKey || key == kClassesKey || key == kPreprocessingKey;
}

std::string place(const std::string& where, const char* key) { return fmt::format("{}: metadata {}", where, key); }

// The shortest decimal number that is read back as the same float.
double shortest(float value) {
  const double decimal = std::stod(fmt::format("{}", value));
  return static_cast<float>(decimal) == value ? decimal : static_cast<double>(value);
}

OrderedJson numbers(const std::vector<float>& values) {
  OrderedJson result = OrderedJson::array();
  for (const float value : values) result.push_back(shortest(value));
  return result;
}

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

Preprocessing parse_preprocessing(JsonFields& fields, int channels) {
  Preprocessing p;
  p.height = fields.integer("height");
  p.width = fields.integer("width");
  p.resize = fields.integer("resize");
  p.interpolation = parse_interpolation(fields.text("interpolation"));
  p.mean = fields.floats("mean");
  p.std = fields.floats("std");
  if (fields.has("channels")) p.channels = parse_channel_order(fields.text("channels"));
  fields.done();
  check_channels(p, channels);
  validate(p);
  return p;
}

Architecture parse_architecture(JsonFields& fields) {
  Architecture a;
  a.name = fields.text("name");
  if (!is_plain_name(a.name)) fields.refuse("name", "must be 1 to 64 letters, digits, '_', '.' or '-'");
  read_fields(architecture_fields(), fields, a);
  fields.done();
  validate(a);
  return a;
}

// parse(fields) of the JSON under a key, nothing where there is none. What the value's own functions throw is told as
// the file's fault.
template <typename Parse>
auto read_value(const Metadata& metadata, const char* key, const std::string& where, const Parse& parse)
    -> std::optional<decltype(parse(std::declval<JsonFields&>()))> {
  const auto value = metadata.find(key);
  if (value == metadata.end()) return std::nullopt;
  const std::string here = place(where, key);
  JsonFields fields(value->second, here);
  try {
    return parse(fields);
  } catch (const Error& error) {
    if (error.where() == here) throw;
    fail(ErrorCode::kFormat, here, "{}", one_line(error.what()));
  }
}

}  // namespace

OrderedJson to_json(const Architecture& a) {
  OrderedJson json = {{"name", a.name}};
  write_fields(architecture_fields(), a, json);
  return json;
}

OrderedJson to_json(const Preprocessing& p) {
  OrderedJson json = {{"height", p.height},      {"width", p.width},
                      {"resize", p.resize},      {"interpolation", name(p.interpolation)},
                      {"mean", numbers(p.mean)}, {"std", numbers(p.std)}};
  if (p.channels != ChannelOrder::kRgb) json["channels"] = name(p.channels);  // which the first version had not
  return json;
}

Metadata to_metadata(const Model& model) {
  const auto refuse = [](const char* field, std::string_view message) {
    fail(ErrorCode::kInvalidArgument, field, "{}", message);
  };
  Metadata result = other_keys(model.metadata);
  const auto put = [&](const char* key, const OrderedJson& json) {
    std::string text = json.dump();
    if (key != kClassesKey && text.size() > kMaxJsonBytes) refuse(key, "more than 65536 bytes of JSON");
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
                    [channels](JsonFields& fields) { return parse_preprocessing(fields, channels); });
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
