#include "weights/script_words.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/list_file.h"
#include "weights/word_values.h"

namespace resnet {
namespace {

constexpr std::string_view kCode = "code/";
constexpr std::string_view kScriptRoot = "__torch__.";
constexpr std::string_view kModules = "torch.nn.modules.";

using Attributes = std::vector<std::pair<std::string, std::string>>;

// "__torch__.a.___torch_mangle_3.B" -> "a.B".
std::string plain_class(std::string_view name) {
  name.remove_prefix(kScriptRoot.size());
  std::string plain;
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view part = name.substr(0, dot);
    if (!part.starts_with("___torch_mangle_")) plain += (plain.empty() ? "" : ".") + std::string(part);
    if (dot == std::string_view::npos) return plain;
    name.remove_prefix(dot + 1);
  }
}

// The text of each class by its whole name.
std::map<std::string, std::string> classes_in(const TensorFile& file) {
  constexpr std::string_view kClassWord = "class ";
  std::map<std::string, std::string> classes;
  for (auto it = file.values.lower_bound(std::string(kCode)); it != file.values.end() && it->first.starts_with(kCode);
       ++it) {
    if (!it->first.ends_with(".py")) continue;
    std::string module = it->first.substr(kCode.size(), it->first.size() - kCode.size() - 3);
    for (char& letter : module) letter = letter == '/' ? '.' : letter;
    const WordJson value = parsed_word(it->second);
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    for (std::size_t begin = text.starts_with(kClassWord) ? 0 : text.find("\nclass "); begin < text.size();) {
      const std::size_t name = begin + kClassWord.size() + (text[begin] == '\n' ? 1 : 0);
      const std::size_t end = std::min(text.find("\nclass ", name), text.size());
      const std::string_view whole = std::string_view(text).substr(name, end - name);
      classes.emplace(module + "." + std::string(whole.substr(0, whole.find('('))), whole);
      begin = end;
    }
  }
  return classes;
}

// "(2, 2)", "True", "1.5": as JSON; nothing for what is no plain value.
std::optional<std::string> json_of(std::string_view python) {
  std::string text(python);
  if (text == "True") return "true";
  if (text == "False") return "false";
  if (text.starts_with('(') && text.ends_with(')')) text = '[' + text.substr(1, text.size() - 2) + ']';
  if (!parsed_word(text).is_discarded()) return text;
  return std::nullopt;
}

// "  stride : Final[Tuple[int, int]] = (2, 2)".
void read_constants(std::string_view text, Attributes& attributes) {
  constexpr std::string_view kConstant = " : Final[";
  for (std::size_t at = text.find(kConstant); at != std::string_view::npos; at = text.find(kConstant, at + 1)) {
    const std::size_t begin = text.rfind('\n', at) + 1;
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t equals = text.substr(0, end).find("] = ", at);
    if (equals == std::string_view::npos) continue;
    if (const auto value = json_of(text.substr(equals + 4, end - equals - 4))) {
      attributes.emplace_back(std::string(trimmed(text.substr(begin, at - begin))), *value);
    }
  }
}

// The arguments of the first call of a function, "torch.max_pool2d(x, [3, 3], ...)"; empty where there is none.
std::vector<std::string_view> arguments_of(std::string_view text, const std::string& function) {
  constexpr std::size_t kMostArguments = 16;
  const std::size_t call = text.find("torch." + function + "(");
  std::vector<std::string_view> arguments;
  if (call == std::string_view::npos) return arguments;
  std::size_t begin = text.find('(', call) + 1;
  int depth = 0;
  for (std::size_t at = begin; at < text.size() && text[at] != '\n' && arguments.size() < kMostArguments; ++at) {
    const char c = text[at];
    if (depth == 0 && (c == ',' || c == ')')) {
      arguments.push_back(trimmed(text.substr(begin, at - begin)));
      begin = at + 1;
      if (c == ')') break;
    }
    depth += c == '[' || c == '(' ? 1 : c == ']' || c == ')' ? -1 : 0;
  }
  return arguments;
}

struct Argument {
  std::size_t place;
  const char* attribute;
};

// What a call of a function says; `module` is the path of the module that it stands for.
bool read_call(std::string_view text, const std::string& function, const std::string& module,
               std::initializer_list<Argument> meanings, Attributes& attributes) {
  const std::vector<std::string_view> arguments = arguments_of(text, function);
  for (const Argument& meaning : meanings) {
    if (meaning.place >= arguments.size()) continue;
    if (const auto value = json_of(arguments[meaning.place]))
      attributes.emplace_back(module + meaning.attribute, *value);
  }
  return !arguments.empty();
}

// "torch.relu(x)", "__torch__.torch.nn.functional.relu(x)", or a name given to the function.
bool calls(std::string_view text, const std::string& function) {
  for (const char* where : {"torch.", "functional."}) {
    const std::string name = where + function;
    for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
      const std::size_t end = at + name.size();
      if (end < text.size() && (text[end] == '(' || text[end] == '\n')) return true;
    }
  }
  return false;
}

// Functions that a class calls itself stand for modules of PyTorch beside its own: "relu()".
void read_functions(std::string_view text, Attributes& attributes) {
  constexpr std::pair<const char*, const char*> kActivations[] = {{"relu", "ReLU"},   {"leaky_relu", "LeakyReLU"},
                                                                  {"relu6", "ReLU6"}, {"silu", "SiLU"},
                                                                  {"gelu", "GELU"},   {"hardswish", "Hardswish"}};
  for (const auto& [function, type] : kActivations) {
    const std::string in_place = function + std::string("_");
    if (!calls(text, function) && !calls(text, in_place)) continue;
    const std::string module = function + std::string("().");
    attributes.emplace_back(module + "__class__", fmt::format("\"{}activation.{}\"", kModules, type));
    for (const std::string& name : {std::string(function), in_place}) {
      if (std::string_view(function) == "leaky_relu")
        read_call(text, name, module, {{1, "negative_slope"}}, attributes);
    }
  }
  const auto pool = [&](const char* function, const char* type, std::initializer_list<Argument> meanings) {
    const std::string module = function + std::string("().");
    if (read_call(text, function, module, meanings, attributes)) {
      attributes.emplace_back(module + "__class__", fmt::format("\"{}pooling.{}\"", kModules, type));
    }
  };
  pool("max_pool2d", "MaxPool2d", {{1, "kernel_size"}, {2, "stride"}, {3, "padding"}, {5, "ceil_mode"}});
  pool("avg_pool2d", "AvgPool2d", {{1, "kernel_size"}, {2, "stride"}, {3, "padding"}, {4, "ceil_mode"}});
}

Attributes attributes_of(const std::string& type, std::string_view text) {
  Attributes attributes;
  read_constants(text, attributes);
  const std::string_view kind = std::string_view(type).substr(type.rfind('.') + 1);
  const bool known = type.starts_with(kModules);
  if ((known && kind == "Conv2d") || kind.starts_with("BlurPool")) {
    read_call(text, "conv2d", "", {{3, "stride"}, {4, "padding"}, {5, "dilation"}, {6, "groups"}}, attributes);
    read_call(text, "_convolution", "", {{3, "stride"}, {4, "padding"}, {5, "dilation"}, {8, "groups"}}, attributes);
  } else if (known && kind == "BatchNorm2d") {
    read_call(text, "batch_norm", "", {{7, "eps"}}, attributes);
  } else if (known && kind == "MaxPool2d") {
    read_call(text, "max_pool2d", "", {{1, "kernel_size"}, {2, "stride"}, {3, "padding"}, {5, "ceil_mode"}},
              attributes);
  } else if (known && kind == "AvgPool2d") {
    read_call(text, "avg_pool2d", "", {{1, "kernel_size"}, {2, "stride"}, {3, "padding"}, {4, "ceil_mode"}},
              attributes);
  } else if (known && kind == "LeakyReLU") {
    read_call(text, "leaky_relu", "", {{1, "negative_slope"}}, attributes);
    read_call(text, "leaky_relu_", "", {{1, "negative_slope"}}, attributes);
  } else if (!known) {
    read_functions(text, attributes);
  }
  return attributes;
}

}  // namespace

std::map<std::string, std::string> script_attributes(const TensorFile& file) {
  constexpr std::string_view kClass = "__class__";
  std::map<std::string, std::string> result;
  const std::map<std::string, std::string> classes = classes_in(file);
  if (classes.empty()) return result;
  std::map<std::string, Attributes> known;  // by class
  for (const auto& [path, text] : file.values) {
    if (path != kClass && !path.ends_with(".__class__")) continue;
    const WordJson value = parsed_word(text);
    const std::string name = value.is_string() ? value.get<std::string>() : "";
    const auto found = name.starts_with(kScriptRoot) ? classes.find(name) : classes.end();
    if (found == classes.end()) continue;
    const std::string type = plain_class(name);
    const std::string module = path.substr(0, path.size() - kClass.size());
    const auto [place, is_new] = known.emplace(name, Attributes());
    if (is_new) place->second = attributes_of(type, found->second);
    for (const auto& [attribute, json] : place->second) result.emplace(module + attribute, json);
    result[path] = WordJson(type).dump(-1, ' ', false, WordJson::error_handler_t::replace);
  }
  return result;
}

}  // namespace resnet
