// A graph lowered to what is computed, in order: operations with what is done to their results before these are stored,
// and how long each value lives. It is lowered once, here; the engine, the ONNX writer, the quantiser and the LibTorch
// module all read the result.
//
// A value is named by the index of the node that gives it. An operation that took in later nodes gives the value of the
// last of them; the values in between never exist. A value in a second format (formats.h) has a number beyond the
// nodes'.
#pragma once

#include <vector>

#include "base/value_format.h"
#include "resnet/graph.h"

namespace resnet {

// A value as an operation reads or gives it.
struct Operand {
  int value = -1;      // -1: none
  ValueFormat format;  // give_formats() sets it; until then all are float32
};

// What is done to results before they are stored, in this order. Indices of nodes; -1 where there is none.
struct Epilogue {
  int norm = -1;
  int add = -1;  // of the operation's `residual`
  int activation = -1;
};

struct Operation {
  int node = 0;  // does the main work
  Epilogue epilogue;
  Operand input;          // none: what the network is given
  Operand residual;       // what an addition adds, the epilogue's or that which `node` is; a concatenation's second
  Operand output;         // the value of the last node that it took in
  bool converts = false;  // does nothing but store its input in another format; `node` gave that
};

// Calls visit(operand) for each value that an operation, const or not, reads.
template <typename SomeOperation, typename Visit>
void for_each_read(SomeOperation& operation, Visit visit) {
  for (auto* operand : {&operation.input, &operation.residual}) {
    if (operand->value >= 0) visit(*operand);
  }
}

struct Program {
  Graph graph;
  std::vector<Operation> operations;  // in an order in which they can be computed; the last one gives the logits
  int values = 0;                     // numbers of values are below this

  const Node& node(const Operation& operation) const { return graph.nodes[operation.node]; }
};

// What becomes one operation. An operation takes in a node that alone reads what it gives.
enum class Lowering {
  kNodes,  // nothing: an operation per node

  // A layer (convolution, linear) takes in a batch norm, whose statistics do not change, the addition whose first value
  // it gives (F(x) + shortcut), and an activation. Flattening, which moves no value, is left out.
  kInference,

  // A batch norm needs all that its layer gives before it can start: it is an operation of its own, and takes in the
  // addition and a ReLU. The gradients of other activations read what these read, which must then be a value.
  kTraining,
};
Program lower(Graph graph, Lowering lowering);

// The node of the activation that an operation's epilogue ends with; null where it has none.
const Node* activation(const Program& program, const Operation& operation) noexcept;

// Whether that is a ReLU.
bool ends_with_relu(const Program& program, const Operation& operation) noexcept;

// When a value exists: indices of the operation that gives it and of the last one that reads it. Both are -1 for values
// that never exist; what nobody reads, such as the logits, ends where it begins.
struct Lifetime {
  int given = -1;
  int last_read = -1;
};
std::vector<Lifetime> lifetimes(const Program& program);  // one per value

// Whether what comes after the operation reads nothing from before that, but what it gives.
bool is_cut(const Program& program, int operation);

}  // namespace resnet
