#include "learn/network.h"

#include <algorithm>

#include "learn/passes.h"

namespace resnet {

struct LearningNetwork::Impl {
  Program program;
  std::function<bool(const Node&)> learns;
  LearnedWeights weights;
  ThreadPool team;
  Algorithms algorithms;
  const Kernels& kernels;
  const TrainingKernels& training;

  LearnPlan plan;
  std::vector<StepState> states;
  AlignedBuffer<float> arena;
  std::vector<AlignedBuffer<std::byte>> scratch;
  bool packed = false;  // the weights are those that were packed
  const float* pictures = nullptr;
  std::vector<float> logits;

  Impl(const Graph& graph, const StateDict& state, const NetworkOptions& options)
      : program(lower(graph, Lowering::kTraining)),
        learns(options.learns ? options.learns : [](const Node&) { return true; }),
        weights(program.graph, state, learns),
        team(options.threads > 0 ? options.threads : available_processors()),
        algorithms(options.algorithms),
        kernels(best_kernels()),
        training(training_kernels_for(kernels.isa)),
        scratch(static_cast<std::size_t>(team.threads())) {}

  Pass pass() { return {kernels, training, team, plan, states, arena, scratch, pictures}; }

  void make_plan(const FeatureShape& shape) {
    plan = plan_learning(program, shape, learns, kernels, algorithms);
    states = std::vector<StepState>(plan.steps.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      const int node = plan.steps[i].operation.node;
      StepState& state = states[i];
      state.weight = weights.find(node, "weight");
      state.bias = weights.find(node, "bias");
      state.running_mean = weights.find(node, "running_mean");
      state.running_var = weights.find(node, "running_var");
    }
    if (arena.size() < plan.arena) {
      arena = {};
      arena = AlignedBuffer<float>(plan.arena);
    }
    for (AlignedBuffer<std::byte>& own : scratch) {
      if (own.size() < plan.scratch) own = AlignedBuffer<std::byte>(plan.scratch);
    }
    packed = false;
  }

  void pack() {
    const Pass pass = this->pass();
    for (std::size_t i = 0; i < states.size(); ++i) {
      const LearnStep& step = plan.steps[i];
      if (step.layer.forward != nullptr) pack_layer(pass, step, states[i], false);
      if (step.layer.backward != nullptr) pack_layer(pass, step, states[i], true);
    }
    packed = true;
  }
};

LearningNetwork::LearningNetwork(const Graph& graph, const StateDict& weights, const NetworkOptions& options)
    : impl_(std::make_unique<Impl>(graph, weights, options)) {}
LearningNetwork::~LearningNetwork() = default;

const Graph& LearningNetwork::graph() const noexcept { return impl_->program.graph; }
LearnedWeights& LearningNetwork::weights() noexcept { return impl_->weights; }
ThreadPool& LearningNetwork::team() noexcept { return impl_->team; }
void LearningNetwork::weights_changed() noexcept { impl_->packed = false; }

std::span<const float> LearningNetwork::forward(const float* pictures, const FeatureShape& shape,
                                                std::span<const float> block_scale) {
  Impl& self = *impl_;
  if (self.plan.steps.empty() || !(self.plan.input == shape)) self.make_plan(shape);
  self.pictures = pictures;
  if (!self.packed) self.pack();
  const Pass pass = self.pass();
  for (std::size_t i = 0; i < self.states.size(); ++i) {
    const LearnStep& step = self.plan.steps[i];
    StepState& state = self.states[i];
    state.picture_scale.clear();
    if (step.block >= 0 && !block_scale.empty()) {
      const auto batch = static_cast<std::size_t>(shape.batch);
      const auto own = block_scale.subspan(static_cast<std::size_t>(step.block) * batch, batch);
      state.picture_scale.assign(own.begin(), own.end());
    }
    run_forward(pass, step, state);
  }
  self.weights.count_batch();
  const FeatureShape& out = self.plan.steps.back().out;
  const float* from = pass.buffer(self.plan.logits);
  self.logits.resize(static_cast<std::size_t>(out.batch * out.channels));
  for (std::int64_t image = 0; image < out.batch; ++image) {
    std::copy_n(from + image * channels_of(out), out.channels, self.logits.data() + image * out.channels);
  }
  return self.logits;
}

void LearningNetwork::backward(std::span<const float> logits_gradient) {
  Impl& self = *impl_;
  const Pass pass = self.pass();
  const FeatureShape& out = self.plan.steps.back().out;
  float* to = pass.buffer(self.plan.logits_gradient);
  for (std::int64_t image = 0; image < out.batch; ++image, to += channels_of(out)) {
    std::copy_n(logits_gradient.data() + image * out.channels, out.channels, to);
    std::fill(to + out.channels, to + channels_of(out), 0.0F);
  }
  for (std::size_t i = self.states.size(); i-- > 0;) run_backward(pass, self.plan.steps[i], self.states[i]);
}

}  // namespace resnet
