#include "resnet/engine.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <list>
#include <mutex>
#include <random>

#include "base/error.h"
#include "engine/execute.h"
#include "engine/layout.h"
#include "engine/plan.h"
#include "engine/precision.h"
#include "engine/tune.h"
#include "program/formats.h"

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

int checked_streams(int streams, int threads) {
  if (streams < 1 || streams > threads) {
    fail(ErrorCode::kInvalidArgument, "streams", "{} is not 1 to {}, the number of threads", streams, threads);
  }
  return streams;
}

// The pictures of one stream.
struct StreamPart {
  std::int64_t first;  // of them
  FeatureShape shape;
};

// A batch cut into `streams` parts, whose sizes differ by one at most.
std::vector<StreamPart> stream_parts(const FeatureShape& shape, int streams) {
  const std::int64_t count = std::clamp<std::int64_t>(streams, 1, std::max<std::int64_t>(shape.batch, 1));
  std::vector<StreamPart> parts;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = shape.batch * i / count;
    parts.push_back({first, shape});
    parts.back().shape.batch = shape.batch * (i + 1) / count - first;
  }
  return parts;
}

std::string_view conversion_text(ValueType to) {
  switch (to) {
    case ValueType::kF32: return " to fp32";
    case ValueType::kBf16: return " to bf16";
    case ValueType::kU8: return " to int8";
  }
  return "";
}

StepProfile describe(const Graph& graph, const PlanStep& step) {
  const Operation& operation = step.operation;
  const Node& node = graph.nodes[operation.node];
  StepProfile profile;
  profile.name = node.path.empty() ? std::string(name(node.op)) : node.path;
  if (operation.converts) profile.name += conversion_text(operation.output.format.type);
  if (step.algorithm != nullptr) profile.algorithm = step.algorithm->name;
  profile.refused = step.refused;
  profile.output = step.output_shape;
  profile.macs = step.algorithm != nullptr ? macs(node, step.output_shape) : 0;
  const auto bytes = [](std::int64_t values, const Operand& operand) {
    return values * static_cast<std::int64_t>(size_in_bytes(operand.format.type));
  };
  profile.bytes = bytes(step.input_shape.count(), operation.input) + bytes(step.output_shape.count(), operation.output);
  if (operation.residual.value >= 0) profile.bytes += bytes(step.output_shape.count(), operation.residual);
  if (step.algorithm != nullptr) {
    profile.bytes += bytes(std::int64_t{node.in_channels} / node.groups * node.out_channels * node.kernel * node.kernel,
                           operation.input);
  }
  return profile;
}

PlanBasis make_basis(const Graph& graph, const StateDict& weights, const EngineOptions& options, Precision precision,
                     const Kernels& kernels) {
  const Lowering lowering = options.fuse ? Lowering::kInference : Lowering::kNodes;
  return plan_basis(give_formats(lower(graph, lowering), weights, precision), weights, kernels);
}

Precision checked_precision(const Graph& graph, const StateDict& weights, const EngineOptions& options,
                            const Kernels& kernels) {
  require_weights(graph, weights);
  return choose_precision(graph, weights, options, kernels);
}

}  // namespace

struct Engine::Impl {
  Impl(const Graph& network, const StateDict& weights, const EngineOptions& options)
      : threads(checked_threads(options.threads)),
        streams(checked_streams(options.streams, threads)),
        kernels(best_kernels()),
        precision(checked_precision(network, weights, options, kernels)),
        basis(make_basis(network, weights, options, precision, kernels)),
        constants(basis.program, weights),
        rules{.algorithms = options.algorithms},
        tunes(options.tune) {}

  // A Workspace or a ThreadPool of one's own for the length of a scope, from a list of those that are free.
  template <typename Thing>
  class Lease {
   public:
    Lease(std::mutex& mutex, std::list<Thing>& free, int threads) : mutex_(mutex), free_(free) {
      {
        const std::lock_guard lock(mutex_);
        if (!free_.empty()) own_.splice(own_.begin(), free_, free_.begin());
      }
      if (own_.empty()) own_.emplace_back(threads);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      const std::lock_guard lock(mutex_);
      free_.splice(free_.begin(), own_);
    }
    Thing& operator*() noexcept { return own_.front(); }

   private:
    std::mutex& mutex_;
    std::list<Thing>& free_;
    std::list<Thing> own_;  // one element
  };
  Lease<Workspace> lease_workspace() { return {mutex, free_workspaces, threads / streams}; }

  template <typename AfterStep>
  void run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits, AfterStep after_step);
  void run_streams(std::span<const float> input, const FeatureShape& shape, std::span<float> logits);

  const Graph& graph() const { return basis.program.graph; }

  // The index of the operation that gives this node's output.
  std::size_t operation_of(int node) const {
    const std::vector<Operation>& operations = basis.program.operations;
    const bool exists = node >= 0 && node < static_cast<int>(graph().nodes.size());
    const auto found = std::find_if(operations.begin(), operations.end(),
                                    [&](const Operation& operation) { return operation.output.value == node; });
    if (exists && found != operations.end()) return static_cast<std::size_t>(found - operations.begin());
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
      timings = tune(basis, shape, rules, constants, workspace);
      informed.timings = &timings;
    }
    auto plan = std::make_shared<const Plan>(make_plan(basis, shape, informed, constants, workspace.team));
    const std::lock_guard lock(mutex);
    plans.push_front(plan);
    if (plans.size() > kMaxPlans) plans.pop_back();
    return plan;
  }

  const int threads;
  const int streams;
  const Kernels& kernels;
  const Precision precision;
  const PlanBasis basis;

  std::mutex making_plan;  // for constants; held while packing weights
  Constants constants;

  const ChoiceRules rules;
  const bool tunes;

  std::mutex mutex;                              // for what follows; held for moments
  std::list<std::shared_ptr<const Plan>> plans;  // the one used last comes first
  std::list<Workspace> free_workspaces;
  std::list<ThreadPool> free_callers;  // teams of one thread per stream
};

Engine::Engine(const Graph& graph, const StateDict& weights, const EngineOptions& options)
    : impl_(std::make_unique<Impl>(graph, weights, options)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

const Graph& Engine::graph() const noexcept { return impl_->graph(); }
int Engine::threads() const noexcept { return impl_->threads; }
Precision Engine::precision() const noexcept { return impl_->precision; }
const StateDict& Engine::weights() const noexcept { return impl_->constants.weights(); }

std::int64_t Engine::weight_bytes() const {
  const std::lock_guard lock(impl_->making_plan);
  return impl_->constants.bytes();
}

std::int64_t Engine::workspace_bytes(const FeatureShape& shape) const {
  std::int64_t bytes = 0;
  for (const StreamPart& part : stream_parts(shape, impl_->streams)) {
    auto workspace = impl_->lease_workspace();
    const std::shared_ptr<const Plan> plan = impl_->plan_for(part.shape, *workspace);
    bytes += static_cast<std::int64_t>(plan->arena_bytes +
                                       plan->scratch_bytes * static_cast<std::size_t>((*workspace).team.threads()));
  }
  return bytes;
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
  const Operand& output = step.operation.output;
  if (step.operation.converts) return;  // a value that was shown already
  values.resize(static_cast<std::size_t>(step.output_shape.count()));
  from_kernel_layout(step.output_shape, step.output_pitch, output.format, workspace.arena.data() + step.output_offset,
                     values.data());
  observer(output.value, step.output_shape, values);
}

}  // namespace

// Runs the network in a workspace of its own and calls after_step(step, workspace) after each step.
template <typename AfterStep>
void Engine::Impl::run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits,
                       AfterStep after_step) {
  auto lease = lease_workspace();
  Workspace& workspace = *lease;
  const std::shared_ptr<const Plan> plan = plan_for(shape, workspace);
  expect_size("input", input.size(), shape.count());
  expect_size("logits", logits.size(), plan->steps.back().output_shape.count());
  workspace.fit(*plan);
  for (const PlanStep& step : plan->steps) {
    run_step(step, kernels, input.data(), workspace);
    after_step(step, workspace);
  }
  copy_logits(*plan, workspace, logits);
}

// Parts of the batch side by side, each in a workspace of its own. Whatever may throw comes before anything is
// computed.
void Engine::Impl::run_streams(std::span<const float> input, const FeatureShape& shape, std::span<float> logits) {
  struct Stream {
    Stream(Impl& impl, const StreamPart& of)
        : part(of), workspace(impl.lease_workspace()), plan(impl.plan_for(part.shape, *workspace)) {
      (*workspace).fit(*plan);
    }
    StreamPart part;
    Lease<Workspace> workspace;
    std::shared_ptr<const Plan> plan;
  };
  std::deque<Stream> all;
  for (const StreamPart& part : stream_parts(shape, streams)) all.emplace_back(*this, part);
  expect_size("input", input.size(), shape.count());
  expect_size("logits", logits.size(), shape.batch * graph().architecture.classes);
  const std::size_t picture = input.size() / static_cast<std::size_t>(shape.batch);
  const std::size_t row = logits.size() / static_cast<std::size_t>(shape.batch);
  Lease<ThreadPool> callers(mutex, free_callers, streams);
  (*callers).run(static_cast<int>(all.size()), [&](int index, int) {
    Stream& stream = all[static_cast<std::size_t>(index)];
    Workspace& workspace = *stream.workspace;
    const auto first = static_cast<std::size_t>(stream.part.first);
    for (const PlanStep& step : stream.plan->steps) {
      run_step(step, kernels, input.data() + first * picture, workspace);
    }
    copy_logits(*stream.plan, workspace, logits.subspan(first * row));
  });
}

void Engine::run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits) const {
  if (impl_->streams > 1 && shape.batch > 1) return impl_->run_streams(input, shape, logits);
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
  for (const int node : nodes) static_cast<void>(impl_->operation_of(node));
  std::vector<float> values;
  impl_->run(input, shape, logits, [&](const PlanStep& step, const Workspace& workspace) {
    const int value = step.operation.output.value;
    if (std::find(nodes.begin(), nodes.end(), value) != nodes.end()) show(step, workspace, values, observer);
  });
}

void Engine::run_from(int node, std::span<const float> values, const FeatureShape& shape,
                      std::span<float> logits) const {
  const std::size_t first = impl_->operation_of(node);
  if (!is_cut(impl_->basis.program, static_cast<int>(first))) {
    fail(ErrorCode::kInvalidArgument, fmt::format("node {}", node), "what follows reads earlier outputs too");
  }
  auto lease = impl_->lease_workspace();
  Workspace& workspace = *lease;
  const std::shared_ptr<const Plan> plan = impl_->plan_for(shape, workspace);
  const PlanStep& given = plan->steps[first];
  expect_size("values", values.size(), given.output_shape.count());
  expect_size("logits", logits.size(), plan->steps.back().output_shape.count());
  workspace.fit(*plan);
  to_kernel_layout(impl_->kernels, given.output_shape, given.output_pitch, values.data(), given.operation.output.format,
                   workspace.arena.data() + given.output_offset, 0,
                   given.output_shape.batch * given.output_shape.height);
  for (std::size_t i = first + 1; i < plan->steps.size(); ++i) {
    run_step(plan->steps[i], impl_->kernels, nullptr, workspace);
  }
  copy_logits(*plan, workspace, logits);
}

std::vector<StepProfile> Engine::profile(const FeatureShape& shape, int repeats) const {
  if (repeats < 1) fail(ErrorCode::kInvalidArgument, "repeats", "{} is less than 1", repeats);
  std::vector<StepProfile> profiles;
  {
    auto workspace = impl_->lease_workspace();
    for (const PlanStep& step : impl_->plan_for(shape, *workspace)->steps) {
      profiles.push_back(describe(impl_->graph(), step));
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
