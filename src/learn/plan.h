// Everything about a pass of training, forward and backward, that depends on the batch's size alone: where each value
// and each gradient lies, which algorithm computes each convolution and the gradient of its input, and into how many
// parts work is cut. Made once per size, then only read.
#pragma once

#include <functional>
#include <vector>

#include "kernels/training.h"
#include "program/program.h"
#include "resnet/engine.h"

namespace resnet {

// A convolution or a linear layer.
struct LayerPlan {
  ConvShape shape;
  const ConvAlgorithm* forward = nullptr;
  ConvShape turned;                         // what gives the gradient of the input
  const ConvAlgorithm* backward = nullptr;  // null where nobody wants that
  WeightGradientParts parts;
  int spread = -1;  // buffer of gradients between or behind which zeros are put
  int sums = -1;    // buffer of the weights' gradient in parts
};

// An operation of the program, for one size. Buffers are numbers; -1 where there is none.
struct LearnStep {
  Operation operation;
  Op op = Op::kInput;
  FeatureShape in, out;
  bool relu = false;           // at the end of the epilogue, or what the activation is
  Curve curve = Curve::kNone;  // of an activation other than ReLU
  float slope = 0;
  double epsilon = 0;   // of a batch norm
  int block = -1;       // of those of the whole network, where the operation adds its shortcut
  bool learns = false;  // its own parameters, and a batch norm its statistics
  LayerPlan layer;
  PoolShape pool;

  int input = -1, residual = -1, output = -1;  // values; the input is -1 where it is the pictures as they come

  // Backward: the gradient of the output, which may be overwritten. The gradients of input and residual are computed
  // into buffers of their own, or into that of the output's; where another reader gave one before, they are added to
  // it.
  int gradient = -1;
  int input_gradient = -1, input_before = -1;
  int residual_gradient = -1, residual_before = -1;
};

struct LearnPlan {
  FeatureShape input;
  std::vector<LearnStep> steps;
  std::vector<std::size_t> offsets;  // of buffers in the arena, in floats
  std::size_t arena = 0;             // floats
  std::size_t scratch = 0;           // bytes, of each thread
  int logits = -1, logits_gradient = -1;
};

// Of a program lowered for training. `learns` says whether a node's parameters do. Convolutions are chosen as for one
// thread, so that results do not depend on the number of threads. Throws what infer_shapes() throws, and
// kInvalidArgument, naming the layer, where a batch norm would learn statistics from a single value.
LearnPlan plan_learning(const Program& program, const FeatureShape& input,
                        const std::function<bool(const Node&)>& learns, const Kernels& kernels, Algorithms algorithms);

}  // namespace resnet
