#include "weights/check_weights.h"

#include <unordered_set>

#include "arch/quantized.h"
#include "base/error.h"
#include "base/text.h"
#include "resnet/model_file.h"

namespace resnet {
namespace {

// More items than any network of the catalog but resnet1202 has; the rest is counted.
constexpr std::size_t kMaxItems = 1000;

bool is_floating(DType type) noexcept {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16 || type == DType::kF64;
}

}  // namespace

void Mismatches::List::add(std::string item) {
  if (count++ < kMaxItems) items.push_back(std::move(item));
}

void Mismatches::missing(const std::string& name) { missing_.add("missing " + name); }
void Mismatches::unexpected(const std::string& name) { unexpected_.add("unexpected " + one_line(name)); }
void Mismatches::misfit(const std::string& name, const std::string& message) {
  misfits_.add(fmt::format("{}: {}", name, message));
}

void Mismatches::report(const std::string& where, const Architecture& architecture) const {
  std::vector<std::string> items;
  std::size_t count = 0;
  for (const List* list : {&missing_, &unexpected_, &misfits_}) {
    count += list->count;
    for (const std::string& item : list->items) {
      if (items.size() < kMaxItems) items.push_back(item);
    }
  }
  if (count == 0) return;
  if (count > items.size()) items.push_back(fmt::format("and {} more", count - items.size()));
  fail(ErrorCode::kMismatch, where, "does not fit {}: {}", architecture.name, fmt::join(items, "; "));
}

bool is_optional(const Parameter& parameter) noexcept { return parameter.dtype == DType::kI64; }

void compare(const Parameter& parameter, const Tensor& tensor, bool has_scale, Mismatches& mismatches) {
  const bool numbers = tensor.dtype() == DType::kI8 && has_scale;
  if (tensor.shape() != parameter.shape) {
    mismatches.misfit(parameter.name,
                      fmt::format("expected {}, got {}", to_string(parameter.shape), to_string(tensor.shape())));
  } else if (parameter.dtype == DType::kF32 && !is_floating(tensor.dtype()) && !numbers) {
    mismatches.misfit(parameter.name, fmt::format("expected floating point, got {}", name(tensor.dtype())));
  }
}

void compare_quantization(const Graph& graph, const StateDict& weights, Mismatches& mismatches) {
  for (const QuantizationTensor& tensor : quantization_tensors(graph)) {
    if (!weights.contains(tensor.name)) continue;
    const std::string problem = quantization_problem(tensor, weights);
    if (!problem.empty()) mismatches.misfit(tensor.name, problem);
  }
}

void check_weights(const Graph& graph, const StateDict& weights, const std::string& where) {
  Mismatches mismatches;
  std::unordered_set<std::string> known;
  for (const Parameter& parameter : parameters(graph)) {
    const Tensor* tensor = weights.find(parameter.name);
    if (tensor != nullptr) {
      compare(parameter, *tensor, weights.contains(parameter.name + "_scale"), mismatches);
    } else if (!is_optional(parameter)) {
      mismatches.missing(parameter.name);
    }
    known.insert(parameter.name);
  }
  for (const QuantizationTensor& tensor : quantization_tensors(graph)) known.insert(tensor.name);
  compare_quantization(graph, weights, mismatches);
  for (const auto& [name, tensor] : weights) {
    if (!known.contains(name)) mismatches.unexpected(name);
  }
  mismatches.report(where, graph.architecture);
}

}  // namespace resnet
