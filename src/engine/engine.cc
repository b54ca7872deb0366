#include "resnet/engine.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <mutex>
#include <random>
#include <set>

#include "base/error.h"
#include "engine/execute.h"
#include "engine/formats.h"
#include "engine/layout.h"
#include "engine/plan.h"
#include "engine/tune.h"

namespace resnet {
namespace {

constexpr int kMaxThreads = 1024;
constexpr std::size_t kMaxPlans = 64;

int checked_threads(int threads) {
  if (threads < 0 || threads > kMaxThreads) {
    fail(ErrorCode::kInvalidArgument, "threads", "{} is not 0 to {}", threads, kMaxThreads);
  }
  return threads == 0 ? available_processors() : threads;
}

StepProfile describe(const Graph& graph, const PlanStep& step) {
  const Node& node = graph.nodes[step.step.node];
  StepProfile profile;
  profile.name = node.path.empty() ? std::string(name(node.op)) : node.path;
  if (step.step.convert) profile.name += step.step.out.type == ValueType::kU8 ? " to int8" : " to fp32";
  if (step.algorithm != nullptr) profile.algorithm = step.algorithm->name;
  profile.refused = step.refused;
  profile.output = step.out;
  profile.macs = step.algorithm != nullptr ? macs(node, step.out) : 0;
  const auto bytes = [](std::int64_t values, const ValueFormat& format) {
    return values * static_cast<std::int64_t>(size_in_bytes(format.type));
  };
  profile.bytes = bytes(step.in.count(), step.step.in) + bytes(step.out.count(), step.step.out);
  if (step.step.residual >= 0) profile.bytes += bytes(step.out.count(), step.step.residual_format);
  if (step.algorithm != nullptr) {
    profile.bytes += bytes(std::int64_t{node.in_channels} / node.groups * node.out_channels * node.kernel * node.kernel,
                           step.step.in);
  }
  return profile;
}

}  // namespace

struct Engine::Impl {
  Impl(const Graph& network, const StateDict& weights, const EngineOptions& options)
      : graph(network),
        threads(checked_threads(options.threads)),
        kernels(best_kernels()),
        constants(graph, weights),
        precision(choose_precision(graph, weights, options, kernels)),
        steps(give_formats(graph, options.fuse ? fused_steps(graph) : plain_steps(graph), weights, precision)),
        rules{.algorithms = options.algorithms},
        tunes(options.tune) {}

  // A workspace of one's own for the length of a scope.
  class Lease {
   public:
    explicit Lease(Impl& impl) : impl_(impl) {
      {
        const std::lock_guard lock(impl_.mutex);
        if (!impl_.free_workspaces.empty()) {
          own_.splice(own_.begin(), impl_.free_workspaces, impl_.free_workspaces.begin());
        }
      }
      if (own_.empty()) own_.emplace_back(impl_.threads);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      const std::lock_guard lock(impl_.mutex);
      impl_.free_workspaces.splice(impl_.free_workspaces.begin(), own_);
    }
    Workspace& operator*() noexcept { return own_.front(); }

   private:
    Impl& impl_;
    std::list<Workspace> own_;  // one element
  };

  template <typename AfterStep>
  void run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits, AfterStep after_step);

  // The step that gives this node's output.
  const Step& step_of(int node) const {
    const auto step = std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return s.output == node; });
    if (step != steps.end()) return *step;
    const bool exists = node >= 0 && node < static_cast<int>(graph.nodes.size());
    fail(ErrorCode::kInvalidArgument, fmt::format("node {}", node), "{}",
         exists ? "its output is not kept: a step computes a later node with it" : "the network has no such node");
  }

  std::shared_ptr<const Plan> find_plan(const FeatureShape& shape) {
    const std::lock_guard lock(mutex);
    const auto place = std::find_if(plans.begin(), plans.end(), [&](const auto& plan) { return plan->input == shape; });
    if (place == plans.end()) return nullptr;
    plans.splice(plans.begin(), plans, place);
    return plans.front();
  }

  std::shared_ptr<const Plan> plan_for(const FeatureShape& shape, Workspace& workspace) {
    if (std::shared_ptr<const Plan> plan = find_plan(shape)) return plan;
    const std::lock_guard making(making_plan);
    if (std::shared_ptr<const Plan> plan = find_plan(shape)) return plan;
    ChoiceRules informed = rules;
    Timings timings;
    if (tunes) {
      timings = tune(graph, steps, shape, kernels, rules, constants, workspace);
      informed.timings = &timings;
    }
    auto plan =
        std::make_shared<const Plan>(make_plan(graph, steps, shape, kernels, informed, constants, workspace.team));
    const std::lock_guard lock(mutex);
    plans.push_front(plan);
    if (plans.size() > kMaxPlans) plans.pop_back();
    return plan;
  }

  const Graph graph;
  const int threads;
  const Kernels& kernels;

  std::mutex making_plan;  // for constants; held while packing weights
  Constants constants;

  const Precision precision;
  const std::vector<Step> steps;
  const ChoiceRules rules;
  const bool tunes;

  std::mutex mutex;                              // for what follows; held for moments
  std::list<std::shared_ptr<const Plan>> plans;  // the one used last comes first
  std::list<Workspace> free_workspaces;
};

Engine::Engine(const Graph& graph, const StateDict& weights, const EngineOptions& options)
    : impl_(std::make_unique<Impl>(graph, weights, options)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

const Graph& Engine::graph() const noexcept { return impl_->graph; }
int Engine::threads() const noexcept { return impl_->threads; }
Precision Engine::precision() const noexcept { return impl_->precision; }
const StateDict& Engine::weights() const noexcept { return impl_->constants.weights(); }

std::int64_t Engine::weight_bytes() const {
  const std::lock_guard lock(impl_->making_plan);
  return impl_->constants.bytes();
}

std::int64_t Engine::workspace_bytes(const FeatureShape& shape) const {
  Impl::Lease workspace(*impl_);
  const std::shared_ptr<const Plan> plan = impl_->plan_for(shape, *workspace);
  return static_cast<std::int64_t>(plan->arena_bytes + plan->scratch_bytes * static_cast<std::size_t>(impl_->threads));
}

namespace {

void expect_size(const char* what, std::size_t got, std::int64_t wanted) {
  if (static_cast<std::int64_t>(got) != wanted) {
    fail(ErrorCode::kMismatch, what, "{} values, but the shape needs {}", got, wanted);
  }
}

// Shows what a step computed; `values` is room for it.
void show(const PlanStep& step, const Workspace& workspace, std::vector<float>& values,
          const Engine::Observer& observer) {
  if (step.step.convert) return;  // a value that was shown already
  values.resize(static_cast<std::size_t>(step.out.count()));
  from_kernel_layout(step.out, pixel_pitch(step), step.step.out, workspace.arena.data() + step.output, values.data());
  observer(step.step.output, step.out, values);
}

}  // namespace

// Runs the network in a workspace of its own and calls after_step(step, workspace) after each step.
template <typename AfterStep>
void Engine::Impl::run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits,
                       AfterStep after_step) {
  Lease lease(*this);
  Workspace& workspace = *lease;
  const std::shared_ptr<const Plan> plan = plan_for(shape, workspace);
  expect_size("input", input.size(), shape.count());
  expect_size("logits", logits.size(), plan->steps.back().out.count());
  workspace.fit(*plan);
  for (const PlanStep& step : plan->steps) {
    run_step(step, kernels, input.data(), workspace);
    after_step(step, workspace);
  }
  copy_logits(*plan, workspace, logits);
}

void Engine::run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits) const {
  impl_->run(input, shape, logits, [](const PlanStep&, const Workspace&) {});
}

void Engine::run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits,
                 const Observer& observer) const {
  std::vector<float> values;
  impl_->run(input, shape, logits,
             [&](const PlanStep& step, const Workspace& workspace) { show(step, workspace, values, observer); });
}

void Engine::run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits,
                 std::span<const int> nodes, const Observer& observer) const {
  for (const int node : nodes) static_cast<void>(impl_->step_of(node));
  std::vector<float> values;
  impl_->run(input, shape, logits, [&](const PlanStep& step, const Workspace& workspace) {
    if (std::find(nodes.begin(), nodes.end(), step.step.output) != nodes.end()) show(step, workspace, values, observer);
  });
}

void Engine::run_from(int node, std::span<const float> values, const FeatureShape& shape,
                      std::span<float> logits) const {
  const auto first = static_cast<std::size_t>(&impl_->step_of(node) - impl_->steps.data());
  std::set<int> computed = {node};
  for (std::size_t i = first + 1; i < impl_->steps.size(); ++i) {
    const Step& step = impl_->steps[i];
    if (!computed.contains(step.input) || (step.residual >= 0 && !computed.contains(step.residual))) {
      fail(ErrorCode::kInvalidArgument, fmt::format("node {}", node), "what follows reads earlier outputs too");
    }
    computed.insert(step.output);
  }
  Impl::Lease lease(*impl_);
  Workspace& workspace = *lease;
  const std::shared_ptr<const Plan> plan = impl_->plan_for(shape, workspace);
  const PlanStep& given = plan->steps[first];
  expect_size("values", values.size(), given.out.count());
  expect_size("logits", logits.size(), plan->steps.back().out.count());
  workspace.fit(*plan);
  to_kernel_layout(impl_->kernels, given.out, pixel_pitch(given), values.data(), given.step.out,
                   workspace.arena.data() + given.output, 0, given.out.batch * given.out.height);
  for (std::size_t i = first + 1; i < plan->steps.size(); ++i) {
    run_step(plan->steps[i], impl_->kernels, nullptr, workspace);
  }
  copy_logits(*plan, workspace, logits);
}

std::vector<StepProfile> Engine::profile(const FeatureShape& shape, int repeats) const {
  if (repeats < 1) fail(ErrorCode::kInvalidArgument, "repeats", "{} is less than 1", repeats);
  std::vector<StepProfile> profiles;
  {
    Impl::Lease workspace(*impl_);
    for (const PlanStep& step : impl_->plan_for(shape, *workspace)->steps) {
      profiles.push_back(describe(impl_->graph, step));
    }
  }
  std::vector<float> input(static_cast<std::size_t>(shape.count()));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (float& value : input) value = normal(random);
  std::vector<float> logits(static_cast<std::size_t>(profiles.back().output.count()));

  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> times(profiles.size());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    std::size_t i = 0;
    auto before = Clock::now();
    impl_->run(input, shape, logits, [&](const PlanStep&, const Workspace&) {
      const auto now = Clock::now();
      times[i++].push_back(std::chrono::duration<double, std::milli>(now - before).count());
      before = now;
    });
  }
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    const auto middle = times[i].begin() + static_cast<std::ptrdiff_t>(times[i].size() / 2);
    std::nth_element(times[i].begin(), middle, times[i].end());
    profiles[i].median_ms = *middle;
  }
  return profiles;
}

}  // namespace resnet
