// Any text as a checkpoint that somebody describes, line by line:
//
//   @basic 1,1 8,16 imagenet projection 5 module.    the tensors of a network: block, depths, widths, stem, shortcut,
//                                                    classes and what stands before its names
//   ~layer stage        another word for a part of every name so far
//   -running_mean       tensors that are not there after all
//   +fc.weight 5,16     another tensor
//   =config.json {}     what the file says beside its tensors
//   <teacher            LoadOptions::take
//   >fc                 LoadOptions::head
//
// It is refused with an Error, or the network that is found has all its weights, in its shapes, from tensors that are
// there.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "fuzz_tensors.h"
#include "resnet/graph.h"
#include "resnet/model_file.h"

namespace {

using namespace resnet;

constexpr std::size_t kMostValues = 1 << 16;  // of a tensor
constexpr std::size_t kMostTensors = 2000;    // of a file
constexpr std::size_t kLongestMessage = 500;  // that people are told

// All tensors show parts of the same values.
Tensor some_tensor(const Shape& shape) {
  static const auto kValues = [] {
    Tensor values = Tensor::zeros(DType::kF32, {kMostValues});
    float next = 0;
    for (float& value : values.mutable_f32()) value = 0.125F + (next = next > 3 ? 0 : next + 0.25F);
    return std::make_shared<const Tensor>(std::move(values));
  }();
  const auto count = static_cast<std::size_t>(element_count(shape));
  return Tensor::view(DType::kF32, shape, kValues->bytes().first(count * sizeof(float)), kValues);
}

std::vector<int> numbers(const std::string& text) {
  std::vector<int> result;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',') && result.size() < 10;) {
    result.push_back(part.size() > 6 ? 0 : std::atoi(part.c_str()));
  }
  return result;
}

struct Described {
  std::vector<std::pair<std::string, Shape>> tensors;
  TensorFile file;
  LoadOptions options;

  void add(const std::string& name, const Shape& shape) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) {
      if (size < 0 || (size > 0 && count > kMostValues / static_cast<std::size_t>(size))) return;
      count *= static_cast<std::size_t>(size);
    }
    if (count <= kMostValues && tensors.size() < kMostTensors) tensors.emplace_back(name, shape);
  }

  void add_network(const std::string& line) {
    std::istringstream words(line);
    std::string block, depths, widths, stem, shortcut, classes, prefix;
    words >> block >> depths >> widths >> stem >> shortcut >> classes >> prefix;
    Architecture a;
    try {
      a.block = parse_block(block);
      a.depths = numbers(depths);
      a.widths = numbers(widths);
      a.stem = parse_stem(stem);
      a.shortcut = parse_shortcut(shortcut);
      a.classes = numbers(classes).empty() ? 0 : numbers(classes).front();
      a.stem_width = a.widths.empty() ? 0 : a.widths.front();
      validate(a);
      if (a.depths.size() > 4 || *std::max_element(a.depths.begin(), a.depths.end()) > 4) return;
      for (const Parameter& parameter : parameters(expand(a))) add(prefix + parameter.name, parameter.shape);
    } catch (const Error&) {  // no network: the line adds nothing
    }
  }

  void read(const std::string& line) {
    const std::string rest = line.empty() ? "" : line.substr(1);
    const std::size_t space = std::min(rest.find(' '), rest.size());
    const std::string first = rest.substr(0, space);
    const std::string second = rest.substr(std::min(space + 1, rest.size()));
    switch (line.empty() ? ' ' : line[0]) {
      case '@': return add_network(rest);
      case '+': {
        const std::vector<int> shape = numbers(second);
        return add(first, Shape(shape.begin(), shape.end()));
      }
      case '-':
        std::erase_if(tensors, [&](const auto& tensor) { return tensor.first.find(rest) != std::string::npos; });
        return;
      case '~':
        for (auto& [name, shape] : tensors) {
          const std::size_t at = first.empty() ? std::string::npos : name.find(first);
          if (at != std::string::npos) name.replace(at, first.size(), second);
        }
        return;
      case '=':
        if (nlohmann::json::accept(second)) file.values[first] = second;
        return;
      case '<': options.take = rest; return;
      case '>': options.head = rest; return;
      default: return;
    }
  }
};

void check(const Model& model, const StateDict& tensors) {
  check_weights(expand(model.architecture), model.weights, "file");
  const Finding& finding = model.finding;
  for (const auto& [in_file, plain] : finding.map) require(tensors.contains(in_file));
  for (const std::string& name : finding.passed_over) require(tensors.contains(name));
  for (const std::string& note : finding.notes) require(note.find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Described described;
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  for (std::string line; std::getline(lines, line);) described.read(line);
  TensorFile& file = described.file;
  file.format = "torch-zip";
  for (const auto& [name, shape] : described.tensors) {
    if (!file.tensors.contains(name) && valid_utf8_prefix(name) == name.size())
      file.tensors.add(name, some_tensor(shape));
  }
  const StateDict tensors = file.tensors;
  try {
    check(load_model(std::move(file), "file", described.options), tensors);
  } catch (const Error& error) {
    check_error(error);
    require(std::string_view(error.what()).size() <= kLongestMessage);
  }
  return 0;
}
