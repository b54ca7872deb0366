#include "program/program.h"

#include <gtest/gtest.h>

#include <map>

#include "program/backward.h"
#include "program/random_networks.h"

namespace resnet {
namespace {

std::map<Op, int> count(const Program& program) {
  std::map<Op, int> counts;
  for (const Operation& operation : program.operations) ++counts[program.node(operation).op];
  return counts;
}

TEST(LowerTest, ResNet50IsNothingButConvolutionsAndPools) {
  const std::map<Op, int> expected = {
      {Op::kInput, 1}, {Op::kConv, 53}, {Op::kMaxPool, 1}, {Op::kGlobalAveragePool, 1}, {Op::kLinear, 1}};
  EXPECT_EQ(count(lower(expand(find_architecture("resnet50")), Lowering::kInference)), expected);
}

TEST(LowerTest, EveryNetworkFusesCompletelyAndInOrder) {
  for (const Architecture& architecture : catalog()) {
    const Graph graph = expand(architecture);
    const Program program = lower(graph, Lowering::kInference);
    std::map<Op, int> counts = count(program);
    EXPECT_EQ(counts[Op::kBatchNorm] + counts[Op::kActivation] + counts[Op::kAdd] + counts[Op::kFlatten], 0)
        << architecture.name;
    std::vector<bool> known(graph.nodes.size());
    int folded = 0;
    for (const Operation& operation : program.operations) {
      for (const int value : {operation.input.value, operation.residual.value})
        EXPECT_TRUE(value < 0 || known[static_cast<std::size_t>(value)]);
      known[static_cast<std::size_t>(operation.output.value)] = true;
      folded += operation.epilogue.norm >= 0 ? 1 : 0;
    }
    EXPECT_EQ(folded, counts[Op::kConv]);
    EXPECT_EQ(program.operations.back().output.value, static_cast<int>(graph.nodes.size()) - 1);
  }
}

// A convolution whose result somebody else needs too keeps it.
TEST(LowerTest, ValuesWithTwoReadersStay) {
  Graph graph = expand(find_architecture("resnet20"));
  graph.nodes[2].inputs = {1};
  graph.nodes.push_back({Op::kAdd, "", {static_cast<int>(graph.nodes.size()) - 1, 1}});
  const std::map<Op, int> counts = count(lower(graph, Lowering::kInference));
  EXPECT_EQ(counts.at(Op::kBatchNorm), 1);
}

// In training a batch norm starts when its convolution is done, and then does the addition and the ReLU on the way.
TEST(LowerTest, TrainingKeepsBatchNormsApart) {
  const Program program = lower(expand(find_architecture("resnet50")), Lowering::kTraining);
  const std::map<Op, int> expected = {{Op::kInput, 1},      {Op::kConv, 53},  {Op::kMaxPool, 1},
                                      {Op::kBatchNorm, 53}, {Op::kLinear, 1}, {Op::kGlobalAveragePool, 1},
                                      {Op::kFlatten, 1}};
  EXPECT_EQ(count(program), expected);
  int sums = 0;
  int relus = 0;
  for (const Operation& operation : program.operations) {
    EXPECT_LT(operation.epilogue.norm, 0);
    sums += operation.residual.value >= 0 ? 1 : 0;
    relus += ends_with_relu(program, operation) ? 1 : 0;
  }
  EXPECT_EQ(sums, 16);
  EXPECT_EQ(relus, 49);  // all batch norms but those of the four projections
}

TEST(LowerTest, OneOperationANode) {
  const Graph graph = expand(find_architecture("resnet18d"));
  const Program program = lower(graph, Lowering::kNodes);
  ASSERT_EQ(program.operations.size(), graph.nodes.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    EXPECT_EQ(program.operations[i].node, static_cast<int>(i));
    EXPECT_EQ(program.operations[i].output.value, static_cast<int>(i));
  }
}

// A convolution followed by ReLU and then a batch norm is no convolution with a batch norm.
TEST(LowerTest, EpiloguesHaveAnOrder) {
  Graph graph;
  for (const Op op :
       {Op::kInput, Op::kConv, Op::kActivation, Op::kBatchNorm, Op::kBatchNorm, Op::kActivation, Op::kActivation}) {
    const int last = static_cast<int>(graph.nodes.size()) - 1;
    graph.nodes.push_back({op, "", last < 0 ? std::vector<int>() : std::vector<int>{last}});
  }
  const Program program = lower(graph, Lowering::kInference);
  std::vector<int> values;
  for (const Operation& operation : program.operations) values.push_back(operation.output.value);
  EXPECT_EQ(values, (std::vector<int>{0, 2, 3, 5, 6}));
}

// All networks of the catalog, and others.
std::vector<Graph> networks() {
  std::vector<Graph> graphs;
  for (const Architecture& architecture : catalog()) graphs.push_back(expand(architecture));
  std::mt19937 random(11);
  for (int i = 0; i < 100; ++i) graphs.push_back(expand(random_architecture(random)));
  for (int i = 0; i < 300; ++i) graphs.push_back(random_graph(random, 2 + i / 4, 16));
  return graphs;
}

constexpr Lowering kLowerings[] = {Lowering::kNodes, Lowering::kInference, Lowering::kTraining};

// What a value is made of, as a number: equal where nodes were computed from equal things.
using Origin = std::size_t;
Origin origin_of(const Graph& graph, int node, const std::vector<Origin>& inputs) {
  if (graph.nodes[node].op == Op::kFlatten) return inputs[0];  // moves nothing
  Origin origin = 1 + static_cast<Origin>(node);
  for (const Origin input : inputs) origin = (origin ^ input) * 0x9E3779B97F4A7C15U + (origin >> 29U);
  return origin;
}

std::vector<Origin> origins_of(const Graph& graph) {
  std::vector<Origin> origins;
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    std::vector<Origin> inputs;
    for (const int input : graph.nodes[i].inputs) inputs.push_back(origins[input]);
    origins.push_back(origin_of(graph, i, inputs));
  }
  return origins;
}

// What a program gives is made of the same nodes, in the same way, as what its graph says.
TEST(PropertyProgram, ComputesItsGraph) {
  for (const Graph& graph : networks()) {
    const std::vector<Origin> expected = origins_of(graph);
    for (const Lowering lowering : kLowerings) {
      const Program program = lower(graph, lowering);
      std::map<int, Origin> values;
      for (const Operation& operation : program.operations) {
        std::vector<Origin> inputs;
        if (operation.input.value >= 0) inputs.push_back(values.at(operation.input.value));
        const Op op = graph.nodes[operation.node].op;
        if (op == Op::kAdd || op == Op::kConcat) inputs.push_back(values.at(operation.residual.value));
        Origin value = origin_of(graph, operation.node, inputs);
        const Epilogue& epilogue = operation.epilogue;
        if (epilogue.norm >= 0) value = origin_of(graph, epilogue.norm, {value});
        if (epilogue.add >= 0) value = origin_of(graph, epilogue.add, {value, values.at(operation.residual.value)});
        if (epilogue.activation >= 0) value = origin_of(graph, epilogue.activation, {value});
        values[operation.output.value] = value;
        EXPECT_EQ(value, expected[operation.output.value]) << graph.architecture.name << " " << operation.node;
      }
      EXPECT_EQ(program.operations.back().output.value, static_cast<int>(graph.nodes.size()) - 1);
    }
  }
}

TEST(PropertyProgram, ValuesAreReadWithinTheirLives) {
  for (const Graph& graph : networks()) {
    for (const Lowering lowering : kLowerings) {
      const Program program = lower(graph, lowering);
      const std::vector<Lifetime> lives = lifetimes(program);
      std::vector<int> last(lives.size(), -1);
      for (int now = 0; now < static_cast<int>(program.operations.size()); ++now) {
        const Operation& operation = program.operations[now];
        for_each_read(operation, [&](const Operand& read) {
          EXPECT_GE(lives[read.value].given, 0);
          EXPECT_LT(lives[read.value].given, now);
          EXPECT_GE(lives[read.value].last_read, now);
          last[read.value] = now;
        });
        EXPECT_EQ(lives[operation.output.value].given, now);
        last[operation.output.value] = now;
      }
      for (std::size_t value = 0; value < lives.size(); ++value) EXPECT_EQ(lives[value].last_read, last[value]);
    }
  }
}

// What a training pass would keep: all that gradients read is stored, or made again from what is stored.
TEST(PropertyProgram, GradientsFindWhatTheyRead) {
  for (const Graph& graph : networks()) {
    const Program program = lower(graph, Lowering::kTraining);
    const std::vector<Kept> kept = kept_for_backward(program);
    std::vector<bool> wanted(kept.size());
    std::map<int, const Operation*> giver;
    for (const Operation& operation : program.operations) {
      const GradientReads reads = gradient_reads(program, operation);
      if (reads.input) wanted[operation.input.value] = true;
      if (reads.output) wanted[operation.output.value] = true;
      giver[operation.output.value] = &operation;
    }
    for (std::size_t value = 0; value < kept.size(); ++value) {
      EXPECT_EQ(kept[value] != Kept::kNot, wanted[value]);
      if (kept[value] != Kept::kRemade) continue;
      const Operation& maker = *giver.at(static_cast<int>(value));
      EXPECT_LT(maker.residual.value, 0);
      EXPECT_NE(kept[maker.input.value], Kept::kNot);
    }
  }
}

TEST(BackwardTest, ResNet18KeepsConvolutionsOutputsAndSums) {
  const Program program = lower(expand(find_architecture("resnet18")), Lowering::kTraining);
  const std::vector<Kept> kept = kept_for_backward(program);
  std::map<Op, int> stored;
  int remade = 0;
  for (const Operation& operation : program.operations) {
    const Kept own = kept[operation.output.value];
    if (own == Kept::kStored) ++stored[program.node(operation).op];
    remade += own == Kept::kRemade ? 1 : 0;
  }
  const std::map<Op, int> expected = {
      {Op::kInput, 1}, {Op::kConv, 20}, {Op::kBatchNorm, 8}, {Op::kMaxPool, 1}, {Op::kFlatten, 1}};
  EXPECT_EQ(stored, expected);  // the batch norms with the blocks' additions, whose sums are read again
  EXPECT_EQ(remade, 9);         // between the convolutions of a block, and before the pooling
}

TEST(ProgramTest, KnowsWhereAllGoesThroughOneValue) {
  const Graph graph = expand(find_architecture("resnet18"));
  const Program program = lower(graph, Lowering::kInference);
  int cuts = 0;
  for (int i = 0; i < static_cast<int>(program.operations.size()); ++i) cuts += is_cut(program, i) ? 1 : 0;
  EXPECT_EQ(cuts, 1 + 2 + 8 + 2);  // the input, conv1 and pooling, the blocks, global pooling and fc
}

}  // namespace
}  // namespace resnet
