#include "resnet/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "resnet/error.h"

namespace resnet {
namespace {

// Totals published by torchvision and by the paper's table 6 for the CIFAR networks.
TEST(GraphTest, CountsParameters) {
  const auto count = [](const char* name) { return parameter_count(expand(find_architecture(name))); };
  EXPECT_EQ(count("resnet18"), 11'689'512);
  EXPECT_EQ(count("resnet34"), 21'797'672);
  EXPECT_EQ(count("resnet50"), 25'557'032);
  EXPECT_EQ(count("resnet101"), 44'549'160);
  EXPECT_EQ(count("resnet152"), 60'192'808);
  EXPECT_EQ(count("resnext50_32x4d"), 25'028'904);
  EXPECT_EQ(count("resnext101_32x8d"), 88'791'336);
  EXPECT_EQ(count("resnext101_64x4d"), 83'455'272);
  EXPECT_EQ(count("wide_resnet50_2"), 68'883'240);
  EXPECT_EQ(count("wide_resnet101_2"), 126'886'696);
  EXPECT_EQ(count("resnet18d"), 11'708'744);
  EXPECT_EQ(count("resnet50d"), 25'576'264);
  EXPECT_EQ(count("resnet20"), 269'722);
  EXPECT_EQ(count("resnet110"), 1'727'962);
}

TEST(GraphTest, TutorialLayoutHasBiases) {
  const Architecture tutorial = with_layout(find_architecture("resnet50"), Layout::kTutorial);
  EXPECT_EQ(parameter_count(expand(tutorial)), 25'583'592);
  EXPECT_THROW(with_layout(find_architecture("resnet20"), Layout::kTutorial), Error);
}

TEST(GraphTest, ShapesOfResNet50) {
  const Graph graph = expand(find_architecture("resnet50"));
  const auto shapes = infer_shapes(graph, {4, 3, 224, 224});
  const auto after = [&](const std::string& path) {
    for (std::size_t i = graph.nodes.size(); i-- > 0;) {
      if (graph.nodes[i].path == path) return shapes[i];
    }
    throw std::runtime_error(path);
  };
  EXPECT_EQ(after("relu"), (FeatureShape{4, 64, 112, 112}));
  EXPECT_EQ(after("maxpool"), (FeatureShape{4, 64, 56, 56}));
  EXPECT_EQ(after("layer1.2.relu"), (FeatureShape{4, 256, 56, 56}));
  EXPECT_EQ(after("layer2.3.relu"), (FeatureShape{4, 512, 28, 28}));
  EXPECT_EQ(after("layer3.5.relu"), (FeatureShape{4, 1024, 14, 14}));
  EXPECT_EQ(after("layer4.2.relu"), (FeatureShape{4, 2048, 7, 7}));
  EXPECT_EQ(shapes.back(), (FeatureShape{4, 1000, 1, 1}));
}

TEST(GraphTest, DilationKeepsTheSize) {
  Architecture architecture = find_architecture("resnet50");
  architecture.dilated_stages = 2;
  const Graph graph = expand(architecture);
  const auto shapes = infer_shapes(graph, {1, 3, 224, 224});
  EXPECT_EQ(shapes[graph.nodes.size() - 4], (FeatureShape{1, 2048, 28, 28}));
}

// The output of a network on a picture of 63x64, node by node from the last stem or pooling on.
std::vector<std::int64_t> heights(const Architecture& architecture, std::initializer_list<std::string_view> paths) {
  const Graph graph = expand(architecture);
  const auto shapes = infer_shapes(graph, {1, 3, 63, 64});
  std::vector<std::int64_t> result;
  for (const std::string_view path : paths) {
    const auto node = std::find_if(graph.nodes.rbegin(), graph.nodes.rend(),
                                   [&](const Node& candidate) { return candidate.path == path; });
    result.push_back(
        node == graph.nodes.rend() ? 0 : shapes[static_cast<std::size_t>(graph.nodes.rend() - node - 1)].height);
  }
  return result;
}

TEST(GraphTest, StemsHaveKernelsStridesAndPooling) {
  using Heights = std::vector<std::int64_t>;
  Architecture a = find_architecture("resnet18");
  const auto stem = [&] { return heights(a, {"conv1", "maxpool"}); };
  EXPECT_EQ(stem(), (Heights{32, 16}));
  a.stem_kernel = 3;
  a.stem_stride = 1;
  EXPECT_EQ(stem(), (Heights{63, 32}));
  a.stem_pool = StemPool::kMaxCeil;
  EXPECT_EQ(stem(), (Heights{63, 31}));
  a.stem_stride = 2;
  EXPECT_EQ(stem(), (Heights{32, 16}));  // the last window is cut short
  a.stem_pool = StemPool::kMax2;
  EXPECT_EQ(stem(), (Heights{32, 16}));
  a.stem_stride = 1;
  EXPECT_EQ(stem(), (Heights{63, 31}));
  a.stem_pool = StemPool::kAverage2;
  EXPECT_EQ(stem(), (Heights{63, 31}));
  a.stem_pool = StemPool::kNone;
  EXPECT_EQ(stem(), (Heights{63, 0}));
  a = find_architecture("resnet20");
  a.stem_pool = StemPool::kMax;
  EXPECT_EQ(stem(), (Heights{63, 32}));
  EXPECT_EQ(expand(a).nodes[1].kernel, 3);
  a = find_architecture("resnet50d");
  a.stem_kernel = 5;
  EXPECT_EQ(expand(a).nodes[1].kernel, 5);
  EXPECT_EQ(expand(a).nodes[1].padding, 2);
  EXPECT_EQ(expand(a).nodes[4].kernel, 3);
}

// As torchvision's replace_stride_with_dilation: the first block of a stage that dilates keeps the dilation before.
TEST(GraphTest, StagesHaveStrides) {
  Architecture a = find_architecture("resnet50");
  const auto stages = [&] { return heights(a, {"layer1.2.relu", "layer2.3.relu", "layer3.5.relu", "layer4.2.relu"}); };
  using Heights = std::vector<std::int64_t>;
  EXPECT_EQ(stages(), (Heights{16, 8, 4, 2}));
  a.strides = {1, 2, 2, 1};
  EXPECT_EQ(stages(), (Heights{16, 8, 4, 4}));
  a.strides = {2, 1, 3, 1};
  EXPECT_EQ(stages(), (Heights{8, 8, 3, 3}));
  a.dilated_stages = 2;
  EXPECT_EQ(stages(), (Heights{8, 8, 8, 8}));
  std::vector<int> dilations;
  for (const Node& node : expand(a).nodes) {
    if (node.kernel == 3 && node.block < 2 && node.stage >= 2) dilations.push_back(node.dilation);
  }
  EXPECT_EQ(dilations, (std::vector<int>{1, 3, 3, 3}));
}

TEST(GraphTest, ABackboneEndsWithItsFeatures) {
  Architecture a = find_architecture("resnet50");
  a.classes = 0;
  const Graph graph = expand(a);
  EXPECT_EQ(infer_shapes(graph, {2, 3, 64, 64}).back(), (FeatureShape{2, 2048, 1, 1}));
  EXPECT_EQ(a.outputs(), 2048);
  EXPECT_EQ(parameter_count(graph), 25'557'032 - 2049 * 1000);
}

TEST(GraphTest, EveryArchitectureExpands) {
  for (const Architecture& architecture : catalog()) {
    const Graph graph = expand(architecture);
    const auto shapes = infer_shapes(graph, {1, 3, 64, 48});
    EXPECT_EQ(shapes.back().channels, architecture.classes) << architecture.name;
    for (std::size_t i = 1; i < graph.nodes.size(); ++i) {
      for (const int input : graph.nodes[i].inputs) EXPECT_LT(input, static_cast<int>(i));
      if (graph.nodes[i].op == Op::kAdd) {
        EXPECT_EQ(shapes[graph.nodes[i].inputs[0]], shapes[graph.nodes[i].inputs[1]]) << architecture.name;
      }
    }
  }
}

TEST(GraphTest, RefusesWhatIsNoNetwork) {
  const auto refused = [](auto change) {
    Architecture architecture = find_architecture("resnet50");
    change(architecture);
    EXPECT_THROW(expand(architecture), Error);
  };
  refused([](Architecture& a) { a.depths = {3, 0, 6, 3}; });
  refused([](Architecture& a) { a.depths = {3, 4}; });
  refused([](Architecture& a) {
    a.depths = {};
    a.widths = {};
  });
  refused([](Architecture& a) { a.classes = -1; });
  refused([](Architecture& a) { a.stem_kernel = 4; });
  refused([](Architecture& a) { a.stem_kernel = 33; });
  refused([](Architecture& a) { a.stem_stride = -1; });
  refused([](Architecture& a) { a.strides = {1, 2, 2}; });
  refused([](Architecture& a) { a.strides = {1, 2, 0, 2}; });
  refused([](Architecture& a) { a.bn_eps = 0; });
  refused([](Architecture& a) { a.bn_eps = std::nan(""); });
  refused([](Architecture& a) { a.in_channels = -1; });
  refused([](Architecture& a) { a.groups = 0; });
  refused([](Architecture& a) { a.dilated_stages = 4; });
  refused([](Architecture& a) {
    a.block = Block::kBasic;
    a.groups = 32;
  });
}

TEST(GraphTest, SuggestsTheNearestName) {
  try {
    find_architecture("resent50");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("resnet50"), std::string::npos) << error.what();
  }
}

// As timm has them: average pooling rounds down, the shortcut's convolution up.
TEST(GraphTest, AntialiasedBlocksStrideBehindTheir3x3) {
  Architecture a = find_architecture("resnet50");
  a.antialias = Antialias::kBlur;
  const Graph graph = expand(a);
  std::vector<std::string> blurs;
  for (const Node& node : graph.nodes) {
    if (node.op == Op::kBlur) blurs.push_back(node.path);
    EXPECT_TRUE(node.op != Op::kConv || node.kernel != 3 || node.stride == 1);
  }
  EXPECT_EQ(blurs, (std::vector<std::string>{"maxpool.1", "layer2.0.aa", "layer3.0.aa", "layer4.0.aa"}));
  EXPECT_EQ(infer_shapes(graph, {1, 3, 63, 66})[graph.nodes.size() - 4], (FeatureShape{1, 2048, 2, 3}));
  EXPECT_THROW(infer_shapes(graph, {1, 3, 16, 16}), Error);  // one pixel has no neighbour to reflect

  a.antialias = Antialias::kAverage;
  const auto tell = [&](std::int64_t size) -> std::string {
    try {
      infer_shapes(expand(a), {1, 3, size, size});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(tell(64), "");
  EXPECT_EQ(tell(65), "");
  EXPECT_EQ(tell(68),
            "input: 68x68 does not come out even: layer2.0 would add 9x9 pixels to 8x8; take a height and width that "
            "the strides divide");
  a.stride_on_first = true;
  EXPECT_THROW(expand(a), Error);
}

TEST(GraphTest, RefusesImagesThatDoNotFit) {
  const Graph graph = expand(find_architecture("resnet18"));
  EXPECT_THROW(infer_shapes(graph, {1, 1, 224, 224}), Error);
  EXPECT_THROW(infer_shapes(graph, {1, 3, 0, 224}), Error);
  EXPECT_NO_THROW(infer_shapes(graph, {1, 3, 1, 1}));
  EXPECT_NO_THROW(infer_shapes(graph, {16, 3, 65'535, 65'535}));
  Architecture wide;
  wide.block = Block::kBasic;
  wide.depths = {1};
  wide.widths = {65'536};
  wide.stem = Stem::kCifar;
  wide.stem_width = 65'536;
  EXPECT_THROW(infer_shapes(expand(wide), {65'535, 3, 65'535, 65'535}), Error);  // more MACs than 63 bits can count
}

}  // namespace
}  // namespace resnet
