#include "resnet/engine.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <list>
#include <mutex>
#include <random>
#include <set>
#include <utility>

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
        streams(checked_streams(options.streams, threads)),
        kernels(best_kernels()),
        constants(graph, weights),
        precision(choose_precision(graph, weights, options, kernels)),
        steps(find_short_weights(
            graph, give_formats(graph, options.fuse ? fused_steps(graph) : plain_steps(graph), weights, precision),
            weights, kernels)),
        rules{.algorithms = options.algorithms},
        tunes(options.tune),
        notice(options.notice) {}

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

  // The step that gives this node's output.
  const Step& step_of(int node) const {
    const auto step = std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return s.output == node; });
    if (step != steps.end()) return *step;
    const bool exists = node >= 0 && node < static_cast<int>(graph.nodes.size());
    fail(ErrorCode::kInvalidArgument, fmt::format("node {}", node), "{}",
         exists ? "its output is not kept: a step computes a later node with it" : "the network has no such node");
  }

  void tell_not_kept(const Error& error) {
    if (notice) std::exchange(notice, nullptr)(fmt::format("measured times are not kept: {}", error.what()));
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
    if (tunes) {
      measured = tune(graph, steps, shape, kernels, rules, constants, workspace, std::move(measured),
                      [this](const Error& error) { tell_not_kept(error); });
      informed.timings = &measured;
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
  const int streams;
  const Kernels& kernels;

  std::mutex making_plan;  // for constants; held while packing weights
  Constants constants;

  const Precision precision;
  const std::vector<Step> steps;
  const ChoiceRules rules;
  const bool tunes;
  std::function<void(const std::string&)> notice;  // this and what is measured: while making a plan
  Timings measured;

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

const Graph& Engine::graph() const noexcept { return impl_->graph; }
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
  auto lease = lease_workspace();
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
  expect_size("logits", logits.size(), shape.batch * graph.architecture.classes);
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
  auto lease = impl_->lease_workspace();
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
    auto workspace = impl_->lease_workspace();
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
