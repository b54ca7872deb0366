#include "resnet/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <thread>

#include "base/isa_test_support.h"
#include "engine/int8_weights.h"
#include "program/random_weights.h"
#include "resnet/error.h"

namespace resnet {
namespace {

struct Case {
  Architecture architecture;
  FeatureShape input;
};

// Small networks that together use every operation and option.
std::vector<Case> small_networks() {
  Architecture bottleneck;
  bottleneck.depths = {1, 2, 1};
  bottleneck.widths = {16, 24, 40};
  bottleneck.stem_width = 20;
  bottleneck.classes = 7;
  Architecture grouped = bottleneck;
  grouped.groups = 4;
  grouped.width_per_group = 16;
  grouped.widths = {16, 32, 64};
  Architecture paper = bottleneck;
  paper.stride_on_first = true;
  paper.conv_bias = true;
  paper.in_channels = 1;
  Architecture dilated = bottleneck;
  dilated.dilated_stages = 2;
  dilated.in_channels = 17;
  Architecture deep = bottleneck;
  deep.block = Block::kBasic;
  deep.stem = Stem::kDeep;
  deep.shortcut = Shortcut::kAveragePool;
  deep.classes = 100;
  Architecture option_a = find_architecture("resnet20");
  option_a.widths = {16, 24, 64};
  Architecture plain = find_architecture("plain20");
  plain.classes = 1;
  return {{bottleneck, {2, 3, 45, 37}}, {grouped, {1, 3, 33, 40}},  {paper, {3, 1, 32, 31}}, {dilated, {1, 17, 41, 38}},
          {deep, {2, 3, 50, 39}},       {option_a, {3, 3, 19, 32}}, {plain, {1, 3, 32, 32}}, {bottleneck, {1, 3, 1, 1}},
          {deep, {1, 3, 5, 9}},         {option_a, {1, 3, 224, 3}}};
}

std::vector<float> random_input(const FeatureShape& shape) {
  std::mt19937 random(5);
  return random_values(shape.count(), -2, 2, random);
}

std::vector<float> run(const Engine& engine, const FeatureShape& shape) {
  std::vector<float> logits(static_cast<std::size_t>(shape.batch * engine.graph().architecture.classes));
  engine.run(random_input(shape), shape, logits);
  return logits;
}

double error_of(const std::vector<float>& got, const std::vector<float>& expected) {
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(got[i]) - expected[i]));
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return difference / largest;
}

class PropertyEngineOfIsa : public IsaTest {};
RESNET_FOR_EVERY_ISA(PropertyEngineOfIsa);

// Node by node on the reference kernels against fused on an instruction set.
TEST_P(PropertyEngineOfIsa, AgreesWithTheReference) {
  for (const Case& c : small_networks()) {
    const Graph graph = expand(c.architecture);
    const StateDict weights = random_weights(graph, 3);
    std::vector<float> expected;
    {
      const ForcedIsa forced(Isa::kRef);
      expected = run(Engine(graph, weights, {1, false}), c.input);
    }
    const ForcedIsa forced(GetParam());
    for (const bool fuse : {false, true}) {
      for (const int threads : {1, 3}) {
        for (const auto& [algorithms, limit] : {std::pair(Algorithms::kDirect, 3e-6), {Algorithms::kWinograd, 2e-5}}) {
          EXPECT_LT(error_of(run(Engine(graph, weights, {threads, fuse, {}, algorithms}), c.input), expected), limit)
              << c.architecture.name << " fuse " << fuse << " threads " << threads << " input " << c.input.height << "x"
              << c.input.width;
        }
      }
    }
  }
}

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kIo;
}

EngineOptions with(Precision precision, int threads = 1) {
  EngineOptions options;
  options.threads = threads;
  options.precision = precision;
  return options;
}

double rms_error(const std::vector<float>& got, const std::vector<float>& expected) {
  double noise = 0, signal = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    noise += std::pow(static_cast<double>(got[i]) - expected[i], 2);
    signal += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(noise / signal);
}

// What the classifier sees: many values, where a network may have but one logit.
std::vector<float> features(const Engine& engine, const FeatureShape& shape) {
  std::vector<float> logits(static_cast<std::size_t>(shape.batch * engine.graph().architecture.classes));
  std::vector<float> pooled;
  engine.run(random_input(shape), shape, logits, [&](int node, const FeatureShape&, std::span<const float> values) {
    if (engine.graph().nodes[node].op == Op::kGlobalAveragePool) pooled.assign(values.begin(), values.end());
  });
  return pooled;
}

// Quantized values are the same everywhere, to the bit. Rounding twice by 8 bits in every layer costs some accuracy,
// but no more than that.
TEST_P(PropertyEngineOfIsa, Int8IsTheSameEverywhereAndNearFloat) {
  for (const Case& c : small_networks()) {
    const Graph graph = expand(c.architecture);
    const StateDict weights = random_weights(graph, 3);
    const std::vector<float> exact = features(Engine(graph, weights, {1}), c.input);
    for (const bool mixed : {false, true}) {
      SCOPED_TRACE(c.architecture.name + (mixed ? ", mixed, " : ", ") + std::to_string(c.input.height));
      const StateDict quantized = int8_weights(graph, weights, random_input(c.input), c.input, mixed);
      std::vector<float> expected;
      {
        const ForcedIsa forced(Isa::kRef);
        const Engine engine(graph, quantized, {1});
        EXPECT_LT(rms_error(features(engine, c.input), exact), 0.15);
        expected = run(engine, c.input);
      }
      const ForcedIsa forced(GetParam());
      for (const int threads : {1, 3}) {
        const std::vector<float> got = run(Engine(graph, quantized, with(Precision::kAuto, threads)), c.input);
        if (mixed) {  // a float that differs in its last bit may be rounded to another value
          EXPECT_LT(rms_error(got, expected), 0.02) << "threads " << threads;
        } else {
          EXPECT_EQ(got, expected) << "threads " << threads;
        }
      }
      EXPECT_LT(rms_error(features(Engine(graph, quantized, with(Precision::kFp32)), c.input), exact), 0.05);
    }
  }
}

TEST_P(PropertyEngineOfIsa, Bf16IsNearFloatOrRefused) {
  const bool has_bf16 = GetParam() == Isa::kRef || GetParam() == Isa::kAvx512Bf16;
  for (const Case& c : small_networks()) {
    const Graph graph = expand(c.architecture);
    const StateDict weights = random_weights(graph, 3);
    const std::vector<float> exact = features(Engine(graph, weights, {1}), c.input);
    const ForcedIsa forced(GetParam());
    const auto engine = [&] { return Engine(graph, weights, with(Precision::kBf16, 2)); };
    if (has_bf16) {
      EXPECT_LT(rms_error(features(engine(), c.input), exact), 0.03) << c.architecture.name;
    } else {
      EXPECT_EQ(code_of(engine), ErrorCode::kUnsupported);
    }
  }
}

TEST(EngineTest, Int8ObserversSeeRealValues) {
  const Graph graph = expand(find_architecture("resnet20"));
  const FeatureShape shape{1, 3, 20, 20};
  const StateDict weights = random_weights(graph, 2);
  std::map<int, std::vector<float>> exact;
  std::vector<float> logits(10);
  Engine(graph, weights, {1})
      .run(random_input(shape), shape, logits, [&](int node, const FeatureShape&, std::span<const float> values) {
        exact[node].assign(values.begin(), values.end());
      });
  std::size_t seen = 0;
  Engine(graph, int8_weights(graph, weights, random_input(shape), shape, true), {1})
      .run(random_input(shape), shape, logits, [&](int node, const FeatureShape&, std::span<const float> values) {
        EXPECT_LT(rms_error({values.begin(), values.end()}, exact.at(node)), 0.15) << graph.nodes[node].path;
        ++seen;
      });
  EXPECT_EQ(seen, exact.size());
}

TEST(EngineTest, RefusesPrecisionsThatCannotBe) {
  const Graph graph = expand(find_architecture("resnet20"));
  const StateDict weights = random_weights(graph, 1);
  const FeatureShape shape{1, 3, 16, 16};
  EXPECT_EQ(code_of([&] { Engine(graph, weights, with(Precision::kInt8)); }), ErrorCode::kMismatch);
  EXPECT_EQ(Engine(graph, weights, {1}).precision(), Precision::kFp32);
  {
    const ForcedIsa forced(Isa::kRef);
    EXPECT_EQ(Engine(graph, weights, with(Precision::kBf16)).precision(), Precision::kBf16);
    EXPECT_EQ(Engine(graph, weights, with(Precision::kAuto)).precision(), Precision::kFp32);
    EngineOptions plain = with(Precision::kBf16);
    plain.fuse = false;
    EXPECT_EQ(code_of([&] { Engine(graph, weights, plain); }), ErrorCode::kInvalidArgument);
  }
  const StateDict quantized = int8_weights(graph, weights, random_input(shape), shape, false);
  EXPECT_EQ(Engine(graph, quantized, {1}).precision(), Precision::kInt8);
  const auto without = [&](const std::string& name) {
    StateDict rest;
    for (const auto& [other, tensor] : quantized) {
      if (other != name) rest.add(other, tensor);
    }
    return code_of([&] { Engine(graph, rest, {1}); });
  };
  EXPECT_EQ(without("layer1.0.conv1.weight_scale"), ErrorCode::kMismatch);
  EXPECT_EQ(without("layer1.0.conv1.output_scale"), ErrorCode::kMismatch);
  EXPECT_EQ(without("input.output_zero_point"), ErrorCode::kMismatch);
  StateDict shifted = quantized;  // what a ReLU gives has no zero point
  shifted.set("conv1.output_zero_point", quantized.at("input.output_zero_point"));
  EXPECT_EQ(code_of([&] { Engine(graph, shifted, {1}); }), ErrorCode::kMismatch);
  for (const float scale : {0.0F, -1.0F, std::numeric_limits<float>::infinity(), NAN}) {
    StateDict odd = quantized;
    odd.set("conv1.output_scale", Tensor::from(std::span(&scale, 1), {}));
    EXPECT_EQ(code_of([&] { Engine(graph, odd, {1}); }), ErrorCode::kMismatch) << scale;
  }
}

TEST(EngineTest, ImagesOfABatchDoNotMix) {
  const Graph graph = expand(find_architecture("resnet20"));
  const FeatureShape shape{3, 3, 20, 24};
  const std::vector<float> input = random_input(shape);
  for (const Algorithms algorithms : {Algorithms::kDirect, Algorithms::kWinograd}) {
    const Engine engine(graph, random_weights(graph, 1), {2, true, {}, algorithms});
    std::vector<float> together(30), alone(10);
    engine.run(input, shape, together);
    for (int i = 0; i < 3; ++i) {
      const std::size_t size = input.size() / 3;
      engine.run(std::span(input).subspan(static_cast<std::size_t>(i) * size, size), {1, 3, 20, 24}, alone);
      // Winograd's tile for 4x4 or 2x2 outputs may depend on the batch.
      EXPECT_LT(error_of(alone, {together.begin() + i * 10, together.begin() + (i + 1) * 10}),
                algorithms == Algorithms::kDirect ? 1e-6 : 2e-5);
    }
  }
}

TEST(EngineTest, ObserverSeesEveryNode) {
  const Graph graph = expand(find_architecture("resnet20"));
  const FeatureShape shape{2, 3, 17, 16};
  const std::vector<FeatureShape> shapes = infer_shapes(graph, shape);
  const std::vector<float> input = random_input(shape);
  std::vector<float> logits(20), last;
  int next = 0;
  const Engine engine(graph, random_weights(graph, 1), {1, false});
  engine.run(input, shape, logits, [&](int node, const FeatureShape& seen, std::span<const float> values) {
    EXPECT_EQ(node, next++);
    EXPECT_EQ(seen, shapes[static_cast<std::size_t>(node)]);
    if (node == 0) {
      EXPECT_TRUE(std::equal(values.begin(), values.end(), input.begin(), input.end()));
    }
    last.assign(values.begin(), values.end());
  });
  EXPECT_EQ(next, static_cast<int>(graph.nodes.size()));
  EXPECT_EQ(last, logits);
}

// The fused engine shows the same values as the plain one, at the nodes that it shows.
TEST(EngineTest, FusedStepsShowTheValuesOfTheirLastNodes) {
  const Graph graph = expand(find_architecture("resnet18d"));
  const StateDict weights = random_weights(graph, 2);
  const FeatureShape shape{1, 3, 40, 33};
  std::vector<float> logits(1000);
  std::map<int, std::vector<float>> plain;
  Engine(graph, weights, {1, false, {}, Algorithms::kDirect})
      .run(random_input(shape), shape, logits, [&](int node, const FeatureShape&, std::span<const float> values) {
        plain[node].assign(values.begin(), values.end());
      });
  int seen = 0;
  Engine(graph, weights, {1, true, {}, Algorithms::kDirect})
      .run(random_input(shape), shape, logits, [&](int node, const FeatureShape&, std::span<const float> values) {
        EXPECT_LT(error_of({values.begin(), values.end()}, plain.at(node)), 1e-5) << graph.nodes[node].path;
        ++seen;
      });
  EXPECT_EQ(seen, 22 + 3 + 4);  // convolutions, the shortcuts' average pools, input, max pool, global pool, fc
}

TEST(EngineTest, ShowsTheNodesAskedFor) {
  const Graph graph = expand(find_architecture("resnet20"));
  const Engine engine(graph, random_weights(graph, 1), {1});
  const FeatureShape shape{2, 3, 17, 16};
  const std::vector<float> input = random_input(shape);
  std::vector<float> logits(20);
  std::map<int, std::vector<float>> all, some;
  const auto keep_in = [](std::map<int, std::vector<float>>& values) {
    return [&](int node, const FeatureShape&, std::span<const float> v) { values[node].assign(v.begin(), v.end()); };
  };
  engine.run(input, shape, logits, keep_in(all));
  const int last = static_cast<int>(graph.nodes.size()) - 1;
  const std::vector<int> nodes = {last - 2, last - 3};  // the global pool and the last block
  engine.run(input, shape, logits, nodes, keep_in(some));
  EXPECT_EQ(some.size(), 2U);
  for (const int node : nodes) EXPECT_EQ(some[node], all[node]);

  const std::vector<int> fused = {1}, outside = {last + 1};
  const auto nothing = [](int, const FeatureShape&, std::span<const float>) {};
  EXPECT_EQ(code_of([&] { engine.run(input, shape, logits, fused, nothing); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { engine.run(input, shape, logits, outside, nothing); }), ErrorCode::kInvalidArgument);
}

// Wherever the network can be cut, the rest of it gives the same logits, with fused steps and without.
TEST(PropertyEngine, RunsFromEveryCut) {
  for (const Case& c : small_networks()) {
    const Graph graph = expand(c.architecture);
    for (const bool fuse : {false, true}) {
      const Engine engine(graph, random_weights(graph, 3), {1, fuse});
      std::vector<float> logits(static_cast<std::size_t>(c.input.batch * c.architecture.classes));
      std::vector<std::pair<int, std::vector<float>>> values;
      engine.run(random_input(c.input), c.input, logits, [&](int node, const FeatureShape&, std::span<const float> v) {
        values.emplace_back(node, std::vector<float>(v.begin(), v.end()));
      });
      std::size_t cuts = 0;
      for (const auto& [node, output] : values) {
        std::vector<float> rest(logits.size());
        try {
          engine.run_from(node, output, c.input, rest);
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
          continue;
        }
        ++cuts;
        EXPECT_EQ(rest, logits) << graph.nodes[static_cast<std::size_t>(node)].path;
      }
      EXPECT_GE(cuts, c.architecture.depths.size() + 4);  // input, stem, stages, global pool, fc
    }
  }
}

TEST(EngineTest, RefusesToRunFromTheMiddleOfABlock) {
  const Graph graph = expand(find_architecture("resnet20"));
  const Engine engine(graph, random_weights(graph, 1), {1});
  const FeatureShape shape{1, 3, 32, 32};
  std::vector<float> values(std::size_t{16} * 32 * 32), logits(10);
  EXPECT_EQ(code_of([&] { engine.run_from(6, values, shape, logits); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { engine.run_from(4, values, shape, logits); }), ErrorCode::kInvalidArgument) << "fused";
  engine.run_from(3, values, shape, logits);  // behind the stem
  values.pop_back();
  EXPECT_EQ(code_of([&] { engine.run_from(3, values, shape, logits); }), ErrorCode::kMismatch);
}

TEST(EngineTest, RefusesWhatDoesNotFit) {
  const Graph graph = expand(find_architecture("resnet20"));
  StateDict weights = random_weights(graph, 1);
  const Engine engine(graph, weights, {1});
  std::vector<float> input(3 * 32 * 32), logits(10), few(9);
  const auto run = [&](const FeatureShape& shape, std::span<float> out) { engine.run(input, shape, out); };
  EXPECT_EQ(code_of([&] { run({1, 3, 32, 31}, logits); }), ErrorCode::kMismatch);
  EXPECT_EQ(code_of([&] { run({1, 1, 32, 32}, logits); }), ErrorCode::kMismatch);
  EXPECT_EQ(code_of([&] { run({1, 3, 32, 32}, few); }), ErrorCode::kMismatch);
  EXPECT_EQ(code_of([&] { run({0, 3, 32, 32}, logits); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { run({1, 3, -1, 32}, logits); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { run({65535, 3, 65535, 65535}, logits); }), ErrorCode::kLimit);
  EXPECT_EQ(code_of([&] { Engine(graph, weights, {-1}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { engine.profile({1, 3, 32, 32}, 0); }), ErrorCode::kInvalidArgument);

  weights.set("layer1.0.conv1.weight", Tensor::zeros(DType::kF32, {16, 16, 3, 1}));
  EXPECT_EQ(code_of([&] { Engine(graph, weights, {1}); }), ErrorCode::kMismatch);
  EXPECT_EQ(code_of([&] { Engine(graph, StateDict(), {1}); }), ErrorCode::kMismatch);
}

TEST(EngineTest, TakesAnyTypeOfWeights) {
  Architecture architecture = find_architecture("resnet20");
  const Graph graph = expand(architecture);
  StateDict single, wide;
  for (const auto& [name, tensor] : random_weights(graph, 4)) {
    single.add(name, tensor);
    if (tensor.dtype() != DType::kF32) continue;
    std::vector<double> values(tensor.f32().begin(), tensor.f32().end());
    const auto owner = std::make_shared<std::vector<double>>(std::move(values));
    wide.add(name, Tensor::view(DType::kF64, tensor.shape(), std::as_bytes(std::span(*owner)), owner));
  }
  EXPECT_EQ(run(Engine(graph, single, {1}), {1, 3, 16, 16}), run(Engine(graph, wide, {1}), {1, 3, 16, 16}));
}

TEST(EngineTest, ProfilesEveryStep) {
  const Graph graph = expand(find_architecture("resnet20"));
  const Engine engine(graph, random_weights(graph, 1), {2});
  const std::vector<StepProfile> steps = engine.profile({1, 3, 32, 32}, 3);
  std::int64_t total = 0;
  for (const StepProfile& step : steps) {
    total += step.macs;
    EXPECT_FALSE(step.name.empty());
    EXPECT_GT(step.bytes, 0);
    EXPECT_GE(step.median_ms, 0);
    EXPECT_EQ(step.algorithm.empty(), step.macs == 0);
  }
  EXPECT_EQ(total, 40'551'040);
  EXPECT_EQ(steps.back().name, "fc");
  EXPECT_GE(engine.weight_bytes(), 4 * (269'722 - 688));  // a bias instead of gamma and beta
  // Three values of the first stage at once: input, output, residual.
  EXPECT_LE(engine.workspace_bytes({1, 3, 32, 32}), 3 * 16 * 32 * 32 * 4 + (1 << 20));
}

TEST(EngineTest, InstructionSetIsForcedByName) {
  const ForcedIsa forced(Isa::kRef);
  EXPECT_EQ(instruction_set(), "ref");
  const ForcedIsa unknown("mmx");
  EXPECT_EQ(code_of([] { instruction_set(); }), ErrorCode::kInvalidArgument);
}

class PeakOfIsa : public IsaTest {};
RESNET_FOR_EVERY_ISA(PeakOfIsa);

// Beside plain code's, which is the same for all types (spin_test.cc in kernels holds the ratios closer).
TEST_P(PeakOfIsa, FitsThatOfPlainCode) {
#ifdef RESNET_SANITIZED
  GTEST_SKIP() << "rates mean nothing beside a sanitizer";
#endif
  const auto peak = [](Isa isa, Precision precision) {
    const ForcedIsa forced(isa);
    return measure_peak_gflops(1, precision);
  };
  const Isa isa = GetParam();
  const double plain = peak(Isa::kRef, Precision::kFp32);
  const double fp32 = peak(isa, Precision::kFp32);
  const double int8 = peak(isa, Precision::kInt8);
  if (isa == Isa::kRef) {
    EXPECT_NEAR(int8 / plain, 1, 0.5);
    EXPECT_NEAR(peak(isa, Precision::kBf16) / plain, 1, 0.5);
    return;
  }
  EXPECT_GT(fp32 / plain, 1.5);
  EXPECT_GT(int8 / fp32, isa == Isa::kAvx2 || isa == Isa::kAvx512 ? 1.1 : 2.5);
  if (isa == Isa::kAvx512Bf16) {
    EXPECT_GT(peak(isa, Precision::kBf16) / fp32, 0.35);
  } else {
    EXPECT_EQ(code_of([&] { peak(isa, Precision::kBf16); }), ErrorCode::kUnsupported);
  }
}

TEST(ConcurrencyEngine, RunsSideBySide) {
  const Graph graph = expand(find_architecture("resnet20"));
  EngineOptions options{2, true, {}, Algorithms::kDirect};
  options.streams = 2;
  const Engine engine(graph, random_weights(graph, 1), options);
  const std::vector<FeatureShape> shapes = {{1, 3, 8, 8}, {2, 3, 9, 8}, {1, 3, 12, 10}};
  std::vector<std::vector<float>> expected;
  for (const FeatureShape& shape : shapes) {
    expected.push_back(run(Engine(graph, random_weights(graph, 1), options), shape));
  }
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < 6; ++i) {
        const auto which = static_cast<std::size_t>(caller + i) % shapes.size();
        EXPECT_LT(error_of(run(engine, shapes[which]), expected[which]), 1e-6);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace resnet
