#include "resnet/engine.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "base/error.h"
#include "engine/crew.h"
#include "engine/execute.h"
#include "engine/layout.h"
#include "engine/plan.h"
#include "engine/plans.h"
#include "engine/pool.h"
#include "engine/precision.h"
#include "engine/tune.h"
#include "program/formats.h"

namespace resnet {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxSessions = 65'535;
constexpr std::chrono::seconds kIdle(10);  // after which memory that no run needs is given back

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

int checked_sessions(int sessions) {
  if (sessions < 0 || sessions > kMaxSessions) {
    fail(ErrorCode::kInvalidArgument, "sessions", "{} is not 0 to {}", sessions, kMaxSessions);
  }
  return sessions == 0 ? std::max(2, available_processors()) : sessions;
}

const std::shared_ptr<Crew>& checked_crew(const std::shared_ptr<Crew>& crew, int threads) {
  if (crew != nullptr && threads != 1) {
    fail(ErrorCode::kInvalidArgument, "crew", "it helps engines of one thread; this one has {}", threads);
  }
  return crew;
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
  const int crew_threads = options.crew == nullptr ? 1 : options.crew->helpers() + 1;
  return plan_basis(give_formats(lower(graph, lowering), weights, precision), weights, kernels, crew_threads);
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
        crew(checked_crew(options.crew, threads)),
        kernels(best_kernels()),
        precision(checked_precision(network, weights, options, kernels)),
        basis(make_basis(network, weights, options, precision, kernels)),
        constants(basis.program, weights),
        rules{.algorithms = options.algorithms},
        tunes(options.tune),
        notice(options.notice),
        plans(basis, threads / streams),
        workspaces(checked_sessions(options.sessions) * streams, kIdle),
        callers(checked_sessions(options.sessions), kIdle) {}

  // Memory and threads for `parts` parts of a batch, once there is room for them.
  Pool<Workspace>::Lease lease_workspaces(int parts) { return {workspaces, parts, threads / streams}; }

  void fit(Workspace& workspace, const Plan& plan) const {
    workspace.fit(plan);
    if (crew != nullptr) crew->team().fit(plan);
  }

  // One step, by the crew where it is free, else by the workspace's own threads.
  void run_step(const PlanStep& step, const float* input, Workspace& workspace) const noexcept {
    if (crew != nullptr && crew->team().run(step, kernels, input, workspace.arena.data())) return;
    resnet::run_step(step, kernels, input, workspace);
  }

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

  void tell_not_kept(const Error& error) {
    std::function<void(const std::string&)> tell;
    {
      const std::lock_guard lock(measuring);
      tell = std::exchange(notice, nullptr);
    }
    if (tell) tell(fmt::format("measured times are not kept: {}", error.what()));
  }

  // Measures without a lock; what several threads have measured comes together.
  Timings times_for(const FeatureShape& shape, Workspace& workspace) {
    Timings known;
    {
      const std::lock_guard lock(measuring);
      known = measured;
    }
    Timings times = tune(basis, shape, rules, constants, workspace, std::move(known),
                         [this](const Error& error) { tell_not_kept(error); });
    const std::lock_guard lock(measuring);
    measured.add(times);
    return times;
  }

  Plan make(const FeatureShape& shape, Workspace& workspace) {
    Timings times;
    ChoiceRules informed = rules;
    if (tunes) {
      times = times_for(shape, workspace);
      informed.timings = &times;
    }
    return make_plan(basis, shape, informed, constants, workspace.team);
  }

  std::shared_ptr<const Plan> plan_for(const FeatureShape& shape, Workspace& workspace) {
    return plans.find(shape, [&] { return make(shape, workspace); });
  }

  const int threads;
  const int streams;
  const std::shared_ptr<Crew> crew;  // may be null
  const Kernels& kernels;
  const Precision precision;
  const PlanBasis basis;

  Constants constants;
  const ChoiceRules rules;
  const bool tunes;
  std::mutex measuring;  // for `notice` and `measured`; held for moments
  std::function<void(const std::string&)> notice;
  Timings measured;
  Plans plans;
  Pool<Workspace> workspaces;
  Pool<ThreadPool> callers;  // teams of one thread per stream
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

void Engine::prepare(const FeatureShape& shape) const {
  for (const StreamPart& part : stream_parts(shape, impl_->streams)) {
    auto workspace = impl_->lease_workspaces(1);
    const auto make = [&] { return impl_->make(part.shape, *workspace); };
    impl_->fit(*workspace, *impl_->plans.find_own(part.shape, make));
  }
}

void Engine::release_memory() const {
  impl_->workspaces.clear();
  impl_->callers.clear();
}

std::int64_t Engine::weight_bytes() const { return impl_->constants.bytes(); }

std::int64_t Engine::workspace_bytes(const FeatureShape& shape) const {
  std::int64_t bytes = 0;
  for (const StreamPart& part : stream_parts(shape, impl_->streams)) {
    auto workspace = impl_->lease_workspaces(1);
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
  auto lease = lease_workspaces(1);
  Workspace& workspace = *lease;
  const std::shared_ptr<const Plan> plan = plan_for(shape, workspace);
  expect_size("input", input.size(), shape.count());
  expect_size("logits", logits.size(), plan->steps.back().output_shape.count());
  fit(workspace, *plan);
  for (const PlanStep& step : plan->steps) {
    run_step(step, input.data(), workspace);
    after_step(step, workspace);
  }
  copy_logits(*plan, workspace, logits);
}

// Parts of the batch side by side, each in a workspace of its own. Whatever may throw comes before anything is
// computed.
void Engine::Impl::run_streams(std::span<const float> input, const FeatureShape& shape, std::span<float> logits) {
  const std::vector<StreamPart> parts = stream_parts(shape, streams);
  auto lease = lease_workspaces(static_cast<int>(parts.size()));
  std::vector<std::shared_ptr<const Plan>> part_plans(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    part_plans[i] = plan_for(parts[i].shape, lease[i]);
    lease[i].fit(*part_plans[i]);
  }
  expect_size("input", input.size(), shape.count());
  expect_size("logits", logits.size(), shape.batch * graph().architecture.outputs());
  const std::size_t picture = input.size() / static_cast<std::size_t>(shape.batch);
  const std::size_t row = logits.size() / static_cast<std::size_t>(shape.batch);
  Pool<ThreadPool>::Lease team(callers, 1, streams);
  (*team).run(static_cast<int>(parts.size()), [&](int task, int) {
    const auto i = static_cast<std::size_t>(task);
    Workspace& workspace = lease[i];
    const auto first = static_cast<std::size_t>(parts[i].first);
    for (const PlanStep& step : part_plans[i]->steps) {
      resnet::run_step(step, kernels, input.data() + first * picture, workspace);
    }
    copy_logits(*part_plans[i], workspace, logits.subspan(first * row));
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
  auto lease = impl_->lease_workspaces(1);
  Workspace& workspace = *lease;
  const std::shared_ptr<const Plan> plan = impl_->plan_for(shape, workspace);
  const PlanStep& given = plan->steps[first];
  expect_size("values", values.size(), given.output_shape.count());
  expect_size("logits", logits.size(), plan->steps.back().output_shape.count());
  impl_->fit(workspace, *plan);
  to_kernel_layout(impl_->kernels, given.output_shape, given.output_pitch, values.data(), given.operation.output.format,
                   workspace.arena.data() + given.output_offset, 0,
                   given.output_shape.batch * given.output_shape.height);
  for (std::size_t i = first + 1; i < plan->steps.size(); ++i) {
    impl_->run_step(plan->steps[i], nullptr, workspace);
  }
  copy_logits(*plan, workspace, logits);
}

std::vector<StepProfile> Engine::profile(const FeatureShape& shape, int repeats) const {
  if (repeats < 1) fail(ErrorCode::kInvalidArgument, "repeats", "{} is less than 1", repeats);
  prepare(shape);
  std::vector<StepProfile> profiles;
  {
    auto workspace = impl_->lease_workspaces(1);
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
