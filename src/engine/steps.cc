#include "engine/steps.h"

#include <algorithm>

namespace resnet {
namespace {

// The step that gives `value`, where it is of kind `op` and `value` has no reader but one; else null.
Step* sole_producer(const Graph& graph, std::vector<Step>& steps, int value, Op op) {
  const auto reads = [&](const Step& step) { return (step.input == value) + (step.residual == value); };
  int readers = 0;
  Step* producer = nullptr;
  for (Step& step : steps) {
    readers += reads(step);
    if (step.output == value && graph.nodes[step.node].op == op) producer = &step;
  }
  return readers == 1 ? producer : nullptr;
}

// Removes the steps that `absorb` returns true for, and restores the order: by the last node that a step took in.
template <typename Absorb>
void absorb_steps(const Graph& graph, std::vector<Step>& steps, Op op, Absorb absorb) {
  for (std::size_t i = 0; i < steps.size();) {
    if (graph.nodes[steps[i].node].op == op && absorb(steps[i])) {
      steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.output < b.output; });
}

}  // namespace

std::vector<Step> plain_steps(const Graph& graph) {
  std::vector<Step> steps;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const std::vector<int>& inputs = graph.nodes[i].inputs;
    Step step;
    step.node = step.output = static_cast<int>(i);
    if (!inputs.empty()) step.input = inputs[0];
    if (inputs.size() > 1) step.residual = inputs[1];
    steps.push_back(step);
  }
  return steps;
}

std::vector<Step> fused_steps(const Graph& graph) {
  std::vector<Step> steps = plain_steps(graph);
  fold_batch_norms(graph, steps);
  fuse_adds(graph, steps);
  fuse_relus(graph, steps);
  drop_flattens(graph, steps);
  return steps;
}

void fold_batch_norms(const Graph& graph, std::vector<Step>& steps) {
  absorb_steps(graph, steps, Op::kBatchNorm, [&](const Step& batch_norm) {
    Step* conv = sole_producer(graph, steps, batch_norm.input, Op::kConv);
    if (conv == nullptr || conv->batch_norm >= 0) return false;
    conv->batch_norm = batch_norm.node;
    conv->output = batch_norm.output;
    return true;
  });
}

void fuse_adds(const Graph& graph, std::vector<Step>& steps) {
  absorb_steps(graph, steps, Op::kAdd, [&](const Step& add) {
    Step* conv = sole_producer(graph, steps, add.input, Op::kConv);
    if (conv == nullptr || conv->residual >= 0) return false;
    conv->residual = add.residual;
    conv->output = add.output;
    return true;
  });
}

void fuse_relus(const Graph& graph, std::vector<Step>& steps) {
  absorb_steps(graph, steps, Op::kRelu, [&](const Step& relu) {
    for (const Op op : {Op::kConv, Op::kAdd, Op::kBatchNorm}) {
      Step* producer = sole_producer(graph, steps, relu.input, op);
      if (producer == nullptr) continue;
      producer->relu = true;
      producer->output = relu.output;
      return true;
    }
    return false;
  });
}

void drop_flattens(const Graph& graph, std::vector<Step>& steps) {
  absorb_steps(graph, steps, Op::kFlatten, [&](const Step& flatten) {
    for (Step& step : steps) {
      if (step.input == flatten.output) step.input = flatten.input;
    }
    return true;
  });
}

}  // namespace resnet
