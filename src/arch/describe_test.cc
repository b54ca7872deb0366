#include "arch/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace resnet {
namespace {

using testing::HasSubstr;

Graph graph_of(const char* name, Layout layout = Layout::kTorchvision) {
  return expand(with_layout(find_architecture(name), layout));
}

std::string table_of(const char* name) {
  const Graph graph = graph_of(name);
  return layer_table(graph, infer_shapes(graph, usual_input(graph.architecture)));
}

// Written by tests/reference/make_trees.py with PyTorch.
TEST(DescribeTest, PrintsTheTreeOfPyTorch) {
  for (const char* name : {"resnet18", "resnet50"}) {
    for (const Layout layout : {Layout::kTorchvision, Layout::kTutorial}) {
      const std::string path = std::string(RESNET_SOURCE_DIR "/tests/golden/trees/") + name + "_" +
                               std::string(resnet::name(layout)) + ".txt";
      std::ostringstream golden;
      golden << std::ifstream(path).rdbuf();
      EXPECT_EQ(module_tree(graph_of(name, layout)), golden.str()) << path;
    }
  }
}

TEST(DescribeTest, TreeNamesModulesThatDoNothing) {
  const std::string tree = module_tree(graph_of("resnet50d"));
  EXPECT_THAT(tree, HasSubstr("      (downsample): Sequential(\n        (0): Identity()\n        (1): Conv2d(64, 256"));
  EXPECT_THAT(tree, HasSubstr("        (0): AvgPool2d(kernel_size=2, stride=2, padding=0)\n"));
}

TEST(DescribeTest, DepthIsTheNumberInTheName) {
  for (const char* name : {"resnet18", "resnet152", "resnet20", "resnet1202", "plain34", "plain110"}) {
    EXPECT_EQ(std::to_string(depth(find_architecture(name))),
              std::string(name).substr(std::string(name).find_first_of("0123456789")));
  }
}

TEST(DescribeTest, LandmarksEndEachStage) {
  const Graph graph = graph_of("resnet18");
  const auto shapes = infer_shapes(graph, {4, 3, 224, 224});
  std::string text;
  for (const Landmark& place : landmarks(graph)) {
    text += place.name + " " + shape_text(graph, static_cast<std::size_t>(place.node), shapes[place.node]) + "\n";
  }
  EXPECT_EQ(text,
            "conv1 4x64x112x112\n"
            "maxpool 4x64x56x56\n"
            "layer1 4x64x56x56\n"
            "layer2 4x128x28x28\n"
            "layer3 4x256x14x14\n"
            "layer4 4x512x7x7\n"
            "fc 4x1000\n");
}

TEST(DescribeTest, LayerTableHasEveryNodeAndTotals) {
  const std::string table = table_of("resnet50");
  EXPECT_THAT(table, HasSubstr("resnet50: 50 layers, bottleneck blocks 3-4-6-3, torchvision layout\n"));
  EXPECT_THAT(table,
              HasSubstr("layer4.2.conv3         conv 1x1             1x2048x7x7     1,048,576     51,380,224\n"));
  EXPECT_THAT(table, HasSubstr("25,557,032 parameters, 4,089,184,256 MACs per image\n"));
  const auto rows = std::count(table.begin(), table.end(), '\n');
  EXPECT_GT(rows, static_cast<long>(graph_of("resnet50").nodes.size()));
}

TEST(DescribeTest, CountsBelongToTheirNodes) {
  const Graph graph = graph_of("resnext50_32x4d");
  const auto counts = parameter_counts(graph);
  std::int64_t sum = 0;
  for (const std::int64_t count : counts) sum += count;
  EXPECT_EQ(sum, parameter_count(graph));
  EXPECT_EQ(counts[1], 9408);  // conv1
  EXPECT_EQ(counts[0], 0);
}

TEST(DescribeTest, ComparesAsTheFirstTableOfThePaper) {
  const std::vector<Graph> graphs = {graph_of("plain20"), graph_of("resnet20")};
  const std::vector<FeatureShape> inputs = {{1, 3, 32, 32}, {1, 3, 32, 32}};
  EXPECT_EQ("\n" + comparison_table(graphs, inputs), R"(
layer       output  plain20       resnet20
──────────────────────────────────────────────
conv1       32×32   3×3, 16       3×3, 16
──────────────────────────────────────────────
layer1      32×32   ⎡3×3, 16⎤     ⎡3×3, 16⎤
(conv2_x)           ⎣3×3, 16⎦ ×3  ⎣3×3, 16⎦ ×3
──────────────────────────────────────────────
layer2      16×16   ⎡3×3, 32⎤     ⎡3×3, 32⎤
(conv3_x)           ⎣3×3, 32⎦ ×3  ⎣3×3, 32⎦ ×3
──────────────────────────────────────────────
layer3      8×8     ⎡3×3, 64⎤     ⎡3×3, 64⎤
(conv4_x)           ⎣3×3, 64⎦ ×3  ⎣3×3, 64⎦ ×3
──────────────────────────────────────────────
head        1×1     average pool  average pool
                    10-d fc       10-d fc
──────────────────────────────────────────────
shortcut            none          padding
depth               20 layers     20 layers
MACs                40.6 M        40.6 M
parameters          269,722       269,722
)");
}

TEST(DescribeTest, ComparisonOfUnlikeNetworksKeepsEachSize) {
  const std::vector<Graph> graphs = {graph_of("resnet18"), graph_of("plain20")};
  const std::vector<FeatureShape> inputs = {{1, 3, 224, 224}, {1, 3, 32, 32}};
  const std::string table = comparison_table(graphs, inputs);
  EXPECT_THAT(table, HasSubstr("→ 112×112         → 32×32\n"));
  EXPECT_THAT(table, HasSubstr("(conv5_x)           ⎣3×3, 512⎦ ×2\n                    → 7×7\n"));
}

}  // namespace
}  // namespace resnet
