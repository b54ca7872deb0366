// The rooms of the trainer without Python: the fused batch norm against torch's own operations, the module's names,
// optimisers against torch's, averages, loss scale. What compares with Python PyTorch is in tests/reference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/isa_test_support.h"
#include "resnet/error.h"
#include "resnet/torch.h"
#include "train/torch/averaged_weights.h"
#include "train/torch/batch_norm.h"
#include "train/torch/device.h"
#include "train/torch/optimizer.h"

namespace resnet {
namespace {

using torch::Tensor;

constexpr auto kNhwc = at::MemoryFormat::ChannelsLast;

ResNet small_network(Block block = Block::kBasic) {
  return ResNet(block, std::vector<int>{1, 1}, /*image_channels=*/3, /*num_classes=*/4);
}

double relative(const Tensor& a, const Tensor& b) {
  return ((a - b).abs().max() / (b.abs().max() + 1e-30)).to(torch::kDouble).item<double>();
}

struct NormCase {
  bool residual, relu;
  std::int64_t channels, size;
};

void PrintTo(const NormCase& c, std::ostream* out) {
  *out << c.channels << (c.residual ? "_add" : "") << (c.relu ? "_relu" : "");
}

class FusedBatchNormTest : public ::testing::TestWithParam<NormCase> {};

// The tensor in channels_last takes the fused path, the same one in NCHW torch's operations one by one.
TEST_P(FusedBatchNormTest, EqualsTheOperationsOneByOne) {
  const NormCase c = GetParam();
  torch::manual_seed(1);
  const Tensor x = torch::randn({3, c.channels, c.size, c.size}) * 3 + 5;
  const Tensor shortcut = torch::randn_like(x);
  const Tensor gradient = torch::randn_like(x);
  std::vector<std::vector<Tensor>> results;
  for (const bool fused : {true, false}) {
    torch::nn::BatchNorm2d norm(c.channels);
    {
      const torch::NoGradGuard no_grad;
      norm->weight.copy_(torch::linspace(-1, 2, c.channels));
      norm->bias.copy_(torch::linspace(1, -1, c.channels));
    }
    const auto format = fused ? kNhwc : at::MemoryFormat::Contiguous;
    Tensor input = x.clone(format).set_requires_grad(true);
    Tensor other = shortcut.clone(format).set_requires_grad(true);
    const Tensor y = batch_norm_add_relu(*norm, input, c.residual ? other : Tensor(), c.relu);
    y.backward(gradient.clone(format));
    norm->eval();
    const torch::NoGradGuard no_grad;
    const Tensor evaluated = batch_norm_add_relu(*norm, input, c.residual ? other : Tensor(), c.relu);
    results.push_back({y.detach(), evaluated, input.grad(), norm->weight.grad(), norm->bias.grad(), norm->running_mean,
                       norm->running_var, norm->num_batches_tracked.to(torch::kFloat)});
    if (c.residual) results.back().push_back(other.grad());
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) EXPECT_LT(relative(results[0][i], results[1][i]), 2e-5) << i;
}

INSTANTIATE_TEST_SUITE_P(All, FusedBatchNormTest,
                         ::testing::Values(NormCase{false, false, 16, 9}, NormCase{false, true, 5, 7},
                                           NormCase{true, false, 32, 1}, NormCase{true, true, 64, 8},
                                           NormCase{true, true, 3, 40}),
                         ::testing::PrintToStringParamName());

class BatchNormOfIsaTest : public IsaTest {
 protected:
  // y = x * scale + bias + shortcut, behind a ReLU, and all its gradients.
  static std::vector<Tensor> results(Isa isa, at::ScalarType type) {
    const ForcedIsa forced(isa);
    torch::manual_seed(2);
    const auto random = [&] { return torch::randn({2, 21, 9, 5}).to(type).contiguous(kNhwc); };
    const Tensor x = random().set_requires_grad(true);
    const Tensor shortcut = random().set_requires_grad(true);
    torch::nn::BatchNorm2d norm(21);
    const Tensor y = batch_norm_add_relu(*norm, x, shortcut, true);
    y.backward(random());
    return {y.detach(), x.grad(), shortcut.grad(), norm->weight.grad(), norm->bias.grad(), norm->running_var};
  }
};
RESNET_FOR_EVERY_FAST_ISA(BatchNormOfIsaTest);

TEST_P(BatchNormOfIsaTest, EqualsPlainCode) {
  for (const at::ScalarType type : {torch::kFloat, torch::kBFloat16}) {
    const std::vector<Tensor> got = results(GetParam(), type);
    const std::vector<Tensor> want = results(Isa::kRef, type);
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_LT(relative(got[i].to(torch::kFloat), want[i].to(torch::kFloat)), type == torch::kFloat ? 2e-6 : 1e-2)
          << i;
    }
  }
}

TEST(BatchNormTest, RefusesUnknownInstructionSets) {
  torch::nn::BatchNorm2d norm(16);
  const ForcedIsa unknown("mmx");
  EXPECT_THROW(batch_norm_add_relu(*norm, torch::ones({1, 16, 2, 2}).contiguous(kNhwc), Tensor(), true), Error);
}

std::string refusal(ResNet& net, const Tensor& images) {
  try {
    net->forward(images);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TorchModuleTest, RefusesToLearnStatisticsFromOneValue) {
  ResNet net = small_network();
  const Tensor one = torch::randn({1, 3, 8, 8});  // 2x2, 1x1 in the stages
  for (const auto format : {kNhwc, at::MemoryFormat::Contiguous}) {
    net->train();
    EXPECT_EQ(refusal(net, one.contiguous(format)),
              "layer2.0.bn1: expected more than one value per channel in training, got an input of 1x128x1x1: give it "
              "more pictures at a time, or larger ones");
    const Tensor mean = net->named_buffers()["layer2.0.bn1.running_mean"];
    EXPECT_EQ(mean.abs().max().item<double>(), 0);
    EXPECT_EQ(net->named_buffers()["layer2.0.bn1.num_batches_tracked"].item<int>(), 0);
    EXPECT_EQ(refusal(net, torch::randn({2, 3, 8, 8}).contiguous(format)), "");
    EXPECT_EQ(refusal(net, torch::randn({1, 3, 9, 9}).contiguous(format)), "");
    net->eval();
    EXPECT_EQ(refusal(net, one.contiguous(format)), "");
    net = small_network();
  }
}

TEST(TorchModuleTest, CountsTheValuesOfAllProcesses) {
  const Tensor one = torch::randn({1, 3, 8, 8}).contiguous(kNhwc);
  ResNet alone = small_network(), twins = small_network();
  alone->set_sum_across([](Tensor&) {});
  EXPECT_THAT(refusal(alone, one), ::testing::StartsWith("layer2.0.bn1: expected more than one value per channel"));
  twins->set_sum_across([](Tensor& sums) { sums.mul_(2); });  // another process with the same picture
  EXPECT_EQ(refusal(twins, one), "");
}

TEST(TorchModuleTest, HasTheNamesOfTheGraph) {
  for (const char* name : {"resnet18", "resnet50", "resnext50_32x4d", "resnet18d", "plain20", "resnet20"}) {
    ResNet net = torch_module(find_architecture(name));
    std::vector<std::string> expected;
    for (const Parameter& parameter : parameters(net->graph())) expected.push_back(parameter.name);
    std::vector<std::string> names;
    for (const auto& [tensor_name, tensor] : state_dict(net)) names.push_back(tensor_name);
    EXPECT_EQ(names, expected) << name;
    const std::size_t registered = net->named_parameters().size() + net->named_buffers().size();
    EXPECT_EQ(registered, expected.size()) << name;
  }
}

TEST(TorchModuleTest, GivesLogitsAndGradients) {
  ResNet net = small_network(Block::kBottleneck);
  const Tensor logits = net->forward(torch::randn({2, 3, 40, 33}).contiguous(kNhwc));
  EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{2, 4}));
  logits.sum().backward();
  for (const auto& item : net->named_parameters()) EXPECT_TRUE(item.value().grad().defined()) << item.key();
}

TEST(TorchModuleTest, BlockScaleLeavesBlocksOut) {
  ResNet net = small_network();
  net->eval();
  const Tensor images = torch::randn({2, 3, 32, 32});
  const Tensor all = net->forward(images, torch::ones({2, 2}));
  EXPECT_LT(relative(all, net->forward(images)), 1e-5);
  Tensor scale = torch::ones({2, 2});
  scale[0][1] = 0;  // the first block, of the second image
  const Tensor some = net->forward(images, scale);
  EXPECT_TRUE(torch::allclose(some[0], all[0], 1e-4, 1e-5));
  EXPECT_FALSE(torch::allclose(some[1], all[1], 1e-4, 1e-5));
}

TEST(TorchModuleTest, RefusesWeightsOfAnotherNetwork) {
  ResNet net = small_network();
  ResNet other(Block::kBasic, std::vector<int>{1, 1}, 3, 5);
  EXPECT_THROW(load_state_dict(net, state_dict(other)), Error);
}

// Two networks with the same values; gradients are the same whichever learns.
struct Twins {
  ResNet ours = small_network(), theirs = small_network();

  void set_gradients(int step) {
    torch::manual_seed(step);
    auto a = ours->parameters();
    auto b = theirs->parameters();
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i].mutable_grad() = torch::randn_like(a[i]);
      b[i].mutable_grad() = a[i].grad().clone();
    }
  }
  double difference() {
    double worst = 0;
    auto b = theirs->named_parameters();
    for (const auto& item : ours->named_parameters()) {
      worst = std::max(worst, relative(item.value().detach(), b[item.key()].detach()));
    }
    return worst;
  }
};

TEST(OptimizerTest, SgdIsTorchs) {
  Recipe recipe;
  recipe.decay_all = true;
  recipe.weight_decay = 0.01;
  Twins twins;
  Optimizer ours(twins.ours, recipe);
  torch::optim::SGD theirs(twins.theirs->parameters(),
                           torch::optim::SGDOptions(0.1).momentum(recipe.momentum).nesterov(true).weight_decay(0.01));
  for (int step = 0; step < 5; ++step) {
    twins.set_gradients(step);
    ours.step(0.1);
    theirs.step();
  }
  EXPECT_LT(twins.difference(), 1e-6);
}

TEST(OptimizerTest, AdamWIsTorchs) {
  Recipe recipe;
  recipe.optimizer = Recipe::Optimizer::kAdamW;
  recipe.decay_all = true;
  recipe.weight_decay = 0.01;
  Twins twins;
  Optimizer ours(twins.ours, recipe);
  torch::optim::AdamW theirs(twins.theirs->parameters(), torch::optim::AdamWOptions(0.01).weight_decay(0.01));
  for (int step = 0; step < 5; ++step) {
    twins.set_gradients(step);
    ours.step(0.01);
    theirs.step();
  }
  EXPECT_LT(twins.difference(), 1e-5);
}

TEST(OptimizerTest, LambStepsInProportionToTheWeights) {
  Recipe recipe;
  recipe.optimizer = Recipe::Optimizer::kLamb;
  recipe.weight_decay = 0.01;
  Twins twins;
  Optimizer optimizer(twins.ours, recipe);
  twins.set_gradients(1);
  optimizer.step(0.01);
  auto before = twins.theirs->named_parameters();
  for (const auto& item : twins.ours->named_parameters()) {
    if (item.value().dim() < 2) continue;
    const Tensor old = before[item.key()].detach();
    const double moved = ((item.value().detach() - old).norm() / old.norm()).item<double>();
    EXPECT_NEAR(moved, 0.01, 1e-5) << item.key();  // the rate, whatever the gradient's length (algorithm 2)
  }
}

TEST(OptimizerTest, StepsOfPartsAreInProportionToTheirRates) {
  const std::map<std::string, double> factors = {{"conv1", 0.5}, {"bn1", 0.5}, {"layer1", 0}, {"layer2", 1}, {"fc", 3}};
  for (const Recipe::Optimizer optimizer : {Recipe::Optimizer::kSgd, Recipe::Optimizer::kAdamW}) {
    Recipe recipe;
    recipe.optimizer = optimizer;
    Twins twins;
    std::map<std::string, Tensor> before;
    for (const auto& item : twins.ours->named_parameters()) before[item.key()] = item.value().detach().clone();
    twins.set_gradients(1);
    Optimizer(twins.theirs, recipe).step(0.01);
    recipe.stage_lr = {"stem=0.5", "layer1=0", "head=3"};
    Optimizer(twins.ours, recipe).step(0.01);
    const auto theirs = twins.theirs->named_parameters();
    for (const auto& [name, old] : before) {
      const Tensor moved = theirs[name].detach() - old;
      EXPECT_GT(moved.abs().max().item<double>(), 0) << name;
      const double factor = factors.at(name.substr(0, name.find('.')));
      EXPECT_LT(relative(twins.ours->named_parameters()[name].detach() - old, moved * factor), 1e-4) << name;
    }
  }
}

TEST(OptimizerTest, ClipsAllGradientsTogether) {
  Twins twins;
  Optimizer optimizer(twins.ours, {});
  twins.set_gradients(1);
  const double length = optimizer.clip_gradients(0, 2);
  EXPECT_GT(length, 1);
  EXPECT_NEAR(optimizer.clip_gradients(1, 1), length, 1e-4 * length);
  EXPECT_NEAR(optimizer.clip_gradients(0, 1), 1, 1e-4);
}

TEST(OptimizerTest, GoesOnFromWhatItSaved) {
  Recipe recipe;
  recipe.optimizer = Recipe::Optimizer::kAdamW;
  Twins twins;
  Optimizer first(twins.ours, recipe);
  twins.set_gradients(1);
  first.step(0.1);
  StateDict saved;
  first.save(saved);
  load_state_dict(twins.theirs, state_dict(twins.ours));
  Optimizer second(twins.theirs, recipe);
  second.restore(saved, "checkpoint");
  second.set_steps(first.steps());
  twins.set_gradients(2);
  first.step(0.1);
  second.step(0.1);
  EXPECT_EQ(twins.difference(), 0);
  EXPECT_THROW(second.restore({}, "checkpoint"), Error);
}

TEST(AveragedWeightsTest, FollowsAndSwaps) {
  ResNet net = small_network();
  AveragedWeights average(net, 0.5);
  const Tensor weight = net->named_parameters()["fc.weight"];
  const Tensor first = weight.detach().clone();
  {
    const torch::NoGradGuard no_grad;
    weight.add_(1);
  }
  average.update(1000);
  average.swap();
  EXPECT_LT(relative(weight.detach(), first + 0.5), 1e-6);
  average.swap();
  EXPECT_TRUE(torch::equal(weight.detach(), first + 1));
}

TEST(DeviceTest, RefusesWhatIsNotThere) {
  using enum Recipe::Precision;
  EXPECT_EQ(Device::parse("cpu", kFp32).device, torch::Device(torch::kCPU));
  EXPECT_THROW(Device::parse("cpu", kFp16), Error);
  EXPECT_THROW(Device::parse("gpu", kFp32), Error);
  if (!torch::cuda::is_available()) {
    EXPECT_THROW(Device::parse("cuda", kFp32), Error);
  }
}

TEST(LossScaleTest, FallsAtOverflowAndRisesAgain) {
  LossScale scale({torch::kCUDA, Recipe::Precision::kFp16});
  const double first = scale.value();
  EXPECT_FALSE(scale.update(false));
  EXPECT_EQ(scale.value(), first / 2);
  for (int i = 0; i < 2000; ++i) EXPECT_TRUE(scale.update(true));
  EXPECT_EQ(scale.value(), first);
  LossScale none({torch::kCPU, Recipe::Precision::kFp32});
  EXPECT_TRUE(none.update(true));
  EXPECT_EQ(none.value(), 1);
}

}  // namespace
}  // namespace resnet
