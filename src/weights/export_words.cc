#include "weights/export_words.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/error.h"
#include "weights/word_values.h"

namespace resnet {
namespace {

constexpr const char* kProgram = "models/model.json";

// An object's member; null where there is none.
const WordJson& member(const WordJson& object, const char* key) {
  static const WordJson kNothing;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : kNothing;
}

// The names of parameters and buffers by those of the graph's inputs.
std::map<std::string, std::string> names_of_inputs(const WordJson& signature) {
  std::map<std::string, std::string> names;
  for (const WordJson& spec : member(signature, "input_specs")) {
    for (const auto& [kind, key] : {std::pair("parameter", "parameter_name"), std::pair("buffer", "buffer_name")}) {
      const WordJson& input = member(spec, kind);
      const std::string name = text_in(member(input, "arg"), "name");
      if (!name.empty()) names.emplace(name, text_in(input, key));
    }
  }
  return names;
}

// What an operation gives a module: the argument's name and the attribute's, and what is there where nothing is said.
struct Given {
  const char* argument;
  const char* attribute;
  const char* usual;
};
struct Meaning {
  std::string_view operation;
  const char* type;  // of a module that has no tensors; null for one that has
  std::vector<Given> given;
};

const std::vector<Meaning>& meanings() {
  constexpr const char* kPooling = "torch.nn.modules.pooling.";
  static const std::string kMaxPool = fmt::format("{}MaxPool2d", kPooling);
  static const std::string kAveragePool = fmt::format("{}AvgPool2d", kPooling);
  static const std::vector<Meaning> kMeanings = {
      {"conv2d",
       nullptr,
       {{"stride", "stride", "[1,1]"},
        {"padding", "padding", "[0,0]"},
        {"dilation", "dilation", "[1,1]"},
        {"groups", "groups", "1"}}},
      {"batch_norm", nullptr, {{"eps", "eps", nullptr}}},
      {"max_pool2d",
       kMaxPool.c_str(),
       {{"kernel_size", "kernel_size", nullptr},
        {"stride", "stride", nullptr},
        {"padding", "padding", "0"},
        {"ceil_mode", "ceil_mode", "false"}}},
      {"avg_pool2d",
       kAveragePool.c_str(),
       {{"kernel_size", "kernel_size", nullptr},
        {"stride", "stride", nullptr},
        {"padding", "padding", "0"},
        {"ceil_mode", "ceil_mode", "false"}}},
      {"relu", "torch.nn.modules.activation.ReLU", {}},
      {"leaky_relu", "torch.nn.modules.activation.LeakyReLU", {{"negative_slope", "negative_slope", "0.01"}}},
      {"hardtanh", "torch.nn.modules.activation.ReLU6", {}},
      {"relu6", "torch.nn.modules.activation.ReLU6", {}},
      {"silu", "torch.nn.modules.activation.SiLU", {}},
      {"gelu", "torch.nn.modules.activation.GELU", {}},
      {"hardswish", "torch.nn.modules.activation.Hardswish", {}},
  };
  return kMeanings;
}

class ExportedGraph {
 public:
  explicit ExportedGraph(const WordJson& module) : names_(names_of_inputs(member(module, "signature"))) {
    for (const WordJson& node : member(member(module, "graph"), "nodes")) read(node);
  }

  std::map<std::string, std::string> take() { return std::move(attributes_); }

 private:
  void read(const WordJson& node) {
    constexpr std::string_view kPrefix = "torch.ops.aten.";
    std::string target = text_in(node, "target");  // "torch.ops.aten.relu_.default"
    if (!target.starts_with(kPrefix)) return;
    target = target.substr(kPrefix.size(), target.find('.', kPrefix.size()) - kPrefix.size());
    if (target.ends_with('_')) target.pop_back();  // in place
    const auto found = std::find_if(meanings().begin(), meanings().end(),
                                    [&](const Meaning& meaning) { return meaning.operation == target; });
    if (found == meanings().end()) return;
    const Module module = module_of(node, *found);
    if (!module.type.empty()) put(module.path, "__class__", WordJson(module.type));
    for (const Given& given : found->given) {
      const WordJson value = argument(node, given.argument);
      if (!value.is_null()) {
        put(module.path, given.attribute, value);
      } else if (given.usual != nullptr) {
        put(module.path, given.attribute, parsed_word(given.usual));
      }
    }
  }

  struct Module {
    std::string path;
    std::string type;  // empty where it is known by its tensors
  };

  // By its weight, or by the stack of modules whose call the operation is:
  // "L__self__,,net.Net;L__self__pool,pool,Pool".
  Module module_of(const WordJson& node, const Meaning& meaning) const {
    const std::string stack = text_in(member(node, "metadata"), "nn_module_stack");
    const std::string last = stack.substr(stack.rfind(';') + 1);
    const std::size_t first = std::min(last.find(','), last.size());
    const std::size_t second = std::min(last.find(',', first + 1), last.size());
    std::string path = last.substr(std::min(first + 1, last.size()), second - std::min(first + 1, second));
    const std::string type = last.substr(std::min(second + 1, last.size()));
    if (meaning.type == nullptr) {
      const auto name = names_.find(text_in(tensor(node, "weight"), "name"));
      if (name != names_.end()) path = name->second.substr(0, name->second.rfind('.'));
      return {path, type};
    }
    const std::string_view kind = std::string_view(meaning.type).substr(std::string_view(meaning.type).rfind('.'));
    if (type.ends_with(kind)) return {path, meaning.type};
    return {fmt::format("{}{}{}()", path, path.empty() ? "" : ".", meaning.operation), meaning.type};
  }

  static const WordJson& input(const WordJson& node, const char* name) {
    static const WordJson kNothing;
    for (const WordJson& item : member(node, "inputs")) {
      if (text_in(item, "name") == name) return member(item, "arg");
    }
    return kNothing;
  }
  static const WordJson& tensor(const WordJson& node, const char* name) {
    return member(input(node, name), "as_tensor");
  }

  // A plain value; null where there is none.
  static WordJson argument(const WordJson& node, const char* name) {
    for (const char* kind : {"as_int", "as_ints", "as_float", "as_bool"}) {
      if (const WordJson& value = member(input(node, name), kind); !value.is_null()) return value;
    }
    return nullptr;
  }

  void put(const std::string& path, const std::string& attribute, const WordJson& value) {
    const std::string text = value.dump(-1, ' ', false, WordJson::error_handler_t::replace);
    attributes_.emplace(path.empty() ? attribute : path + "." + attribute, text);
  }

  std::map<std::string, std::string> names_;
  std::map<std::string, std::string> attributes_;
};

}  // namespace

std::map<std::string, std::string> export_attributes(const TensorFile& file) {
  const WordJson program = value_at(file, kProgram);
  return program.is_object() ? ExportedGraph(member(program, "graph_module")).take()
                             : std::map<std::string, std::string>();
}

}  // namespace resnet
