// From a graph to operations: what is taken in by what.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "program/program.h"

namespace resnet {
namespace {

class Lowerer {
 public:
  Lowerer(const Graph& graph, Lowering lowering)
      : graph_(graph),
        lowering_(lowering),
        readers_(graph.nodes.size()),
        giver_(graph.nodes.size(), -1),
        value_(graph.nodes.size(), -1) {
    for (const Node& node : graph.nodes) {
      for (const int input : node.inputs) ++readers_[input];
    }
  }

  std::vector<Operation> run() {
    for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
      if (lowering_ == Lowering::kNodes || !take_in(i)) add_operation(i);
    }
    // An operation that took something in waits for what that reads.
    std::sort(operations_.begin(), operations_.end(),
              [](const Operation& a, const Operation& b) { return a.output.value < b.output.value; });
    return std::move(operations_);
  }

 private:
  void add_operation(int index) {
    const std::vector<int>& inputs = graph_.nodes[index].inputs;
    giver_[index] = static_cast<int>(operations_.size());
    value_[index] = index;
    Operation& operation = operations_.emplace_back();
    operation.node = operation.output.value = index;
    if (!inputs.empty()) operation.input.value = value_[inputs[0]];
    if (inputs.size() < 2) return;
    RESNET_ASSERT(graph_.nodes[index].op == Op::kAdd || graph_.nodes[index].op == Op::kConcat);
    operation.residual.value = value_[inputs[1]];
  }

  // Whether an operation before took the node in.
  bool take_in(int index) {
    switch (graph_.nodes[index].op) {
      case Op::kBatchNorm: return take_in(index, &Epilogue::norm);
      case Op::kAdd: return take_in(index, &Epilogue::add);
      case Op::kActivation: {
        const bool fits = lowering_ != Lowering::kTraining || graph_.nodes[index].activation == Activation::kRelu;
        return fits && take_in(index, &Epilogue::activation);
      }
      case Op::kFlatten: return leave_out(index);
      case Op::kInput:
      case Op::kConv:
      case Op::kMaxPool:
      case Op::kAveragePool:
      case Op::kBlur:
      case Op::kPadShortcut:
      case Op::kGlobalAveragePool:
      case Op::kGlobalMaxPool:
      case Op::kConcat:
      case Op::kLinear: break;
    }
    return false;
  }

  // Makes the node a part of the epilogue of what gives its first input, where that has no other reader and can.
  bool take_in(int index, int Epilogue::*part) {
    const std::vector<int>& inputs = graph_.nodes[index].inputs;
    if (readers_[inputs[0]] != 1) return false;
    Operation& before = operations_[giver_[inputs[0]]];
    if (!has_epilogue(graph_.nodes[before.node].op, part) || !is_last(before, part)) return false;
    before.epilogue.*part = index;
    before.output.value = value_[index] = index;
    if (part == &Epilogue::add) before.residual.value = value_[inputs[1]];
    giver_[index] = giver_[inputs[0]];
    return true;
  }

  // Whether the operation's epilogue has room for the part, which comes after all that it has.
  static bool is_last(const Operation& operation, int Epilogue::*part) {
    const Epilogue& epilogue = operation.epilogue;
    for (int Epilogue::*const later : {&Epilogue::activation, &Epilogue::add, &Epilogue::norm}) {
      if (epilogue.*later >= 0) return false;
      if (later == part) break;
    }
    return part != &Epilogue::add || operation.residual.value < 0;
  }

  // Which operations are computed with which parts of an epilogue.
  bool has_epilogue(Op op, int Epilogue::*part) const {
    switch (op) {
      case Op::kConv:
      case Op::kLinear: return lowering_ == Lowering::kInference;
      case Op::kBatchNorm:
        return part != &Epilogue::norm && (lowering_ == Lowering::kTraining || part == &Epilogue::activation);
      case Op::kAdd: return part == &Epilogue::activation;
      case Op::kInput:
      case Op::kActivation:
      case Op::kMaxPool:
      case Op::kAveragePool:
      case Op::kBlur:
      case Op::kPadShortcut:
      case Op::kGlobalAveragePool:
      case Op::kGlobalMaxPool:
      case Op::kConcat:
      case Op::kFlatten: break;
    }
    return false;
  }

  bool gives_one_pixel(int index) const {
    const Node& node = graph_.nodes[index];
    if (node.op == Op::kConcat) return gives_one_pixel(node.inputs[0]);
    return node.op == Op::kGlobalAveragePool || node.op == Op::kGlobalMaxPool;
  }

  // Flattening one pixel: who reads it reads what it reads.
  bool leave_out(int index) {
    const int input = graph_.nodes[index].inputs[0];
    if (lowering_ != Lowering::kInference || !gives_one_pixel(input) || readers_[index] == 0) return false;
    giver_[index] = giver_[input];
    value_[index] = value_[input];
    return true;
  }

  const Graph& graph_;
  const Lowering lowering_;
  std::vector<int> readers_;  // of each node, how many there are
  std::vector<int> giver_;    // of each node that was seen, the operation that computes it
  std::vector<int> value_;    // and the value that stands for its result
  std::vector<Operation> operations_;
};

}  // namespace

Program lower(Graph graph, Lowering lowering) {
  Program program;
  program.operations = Lowerer(graph, lowering).run();
  program.values = static_cast<int>(graph.nodes.size());
  program.graph = std::move(graph);
  return program;
}

}  // namespace resnet
