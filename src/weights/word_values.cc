#include "weights/word_values.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/text.h"

namespace resnet {

WordJson parsed_word(const std::string& text) { return WordJson::parse(text, nullptr, /*allow_exceptions=*/false); }

WordJson value_at(const TensorFile& file, const std::string& path) {
  const auto found = file.values.find(path);
  return found == file.values.end() ? WordJson() : parsed_word(found->second);
}

std::string text_in(const WordJson& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<double> number_in(const WordJson& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

bool is_true(const WordJson& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_boolean() && found->get<bool>();
}

std::vector<float> floats_in(const WordJson& object, const char* key) {
  std::vector<float> values;
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_array()) return {};
  for (const WordJson& item : *found) {
    if (!item.is_number()) return {};
    values.push_back(item.get<float>());
  }
  return values;
}

Activation Said::activation_called(const std::string& name, const std::string& source) const {
  std::string plain = name;
  std::transform(plain.begin(), plain.end(), plain.begin(), [](unsigned char c) { return std::tolower(c); });
  if (plain == "leakyrelu") plain = "leaky_relu";
  if (plain == "swish") plain = "silu";
  if (plain == "hard_swish") plain = "hardswish";
  try {
    return parse_activation(plain);
  } catch (const Error&) {
    refuse(source, "the activation " + name);
  }
}

void Said::say_activation(const std::string& name, const std::string& source) {
  say(&Architecture::activation, activation_called(name, source), "activation", source);
}

void Said::say_head_activation(const std::string& name, const std::string& source) {
  const auto value = static_cast<HeadActivation>(activation_called(name, source));
  say(&Architecture::head_activation, value, "head_activation", source);
}

void Said::say_antialias(Antialias value, const Architecture& architecture, const std::string& source) {
  say(&Architecture::antialias, value, "antialias", source);
  if (value == Antialias::kNone || architecture.stem == Stem::kCifar) return;
  const bool blurs = value == Antialias::kBlur;
  say(&Architecture::stem_pool, blurs ? StemPool::kMaxBlur : StemPool::kAverage2, "stem_pool", source);
}

void Said::refuse(const std::string& source, const std::string& what) const {
  fail(ErrorCode::kUnsupported, path_, "{} says {}, which this program does not have", source, one_line(what));
}

}  // namespace resnet
