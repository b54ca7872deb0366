#include "program/check_weights.h"

#include "base/error.h"
#include "base/text.h"
#include "program/quantized.h"

namespace resnet {
namespace {

// More items than any network of the catalog but resnet1202 has; the rest is counted.
constexpr std::size_t kMaxItems = 1000;

bool is_floating(DType type) noexcept {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16 || type == DType::kF64;
}

// Shape and type.
void compare(const Parameter& parameter, const Tensor& tensor, bool has_scale, Mismatches& mismatches) {
  const bool quantized = tensor.dtype() == DType::kI8 && has_scale;
  if (tensor.shape() != parameter.shape) {
    mismatches.misfit(parameter.name,
                      fmt::format("expected {}, got {}", to_string(parameter.shape), to_string(tensor.shape())));
  } else if (!is_optional(parameter) && !is_floating(tensor.dtype()) && !quantized) {
    mismatches.misfit(parameter.name, fmt::format("expected floating point, got {}", name(tensor.dtype())));
  }
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

void compare_weights(const Graph& graph, const StateDict& weights, Mismatches& mismatches) {
  for (const Parameter& parameter : parameters(graph)) {
    if (const Tensor* tensor = weights.find(parameter.name)) {
      compare(parameter, *tensor, weights.contains(parameter.name + "_scale"), mismatches);
    } else if (!is_optional(parameter)) {
      mismatches.missing(parameter.name);
    }
  }
  for (const QuantizationTensor& tensor : quantization_tensors(graph)) {
    if (!weights.contains(tensor.name)) continue;
    const std::string problem = quantization_problem(tensor, weights);
    if (!problem.empty()) mismatches.misfit(tensor.name, problem);
  }
}

}  // namespace resnet
