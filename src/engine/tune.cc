#include "engine/tune.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>
#include <vector>

namespace resnet {
namespace {

constexpr int kRepeats = 7;

// Milliseconds of each step, the median of a few runs after one that does not count.
std::vector<double> time_steps(const Plan& plan, const Kernels& kernels, Workspace& workspace) {
  using Clock = std::chrono::steady_clock;
  std::vector<float> input(static_cast<std::size_t>(plan.input.count()));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (float& value : input) value = normal(random);
  workspace.fit(plan);
  std::vector<std::vector<double>> times(plan.steps.size());
  for (int repeat = 0; repeat <= kRepeats; ++repeat) {
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      const auto before = Clock::now();
      run_step(plan.steps[i], kernels, input.data(), workspace);
      if (repeat > 0) times[i].push_back(std::chrono::duration<double, std::milli>(Clock::now() - before).count());
    }
  }
  std::vector<double> medians;
  for (std::vector<double>& own : times) {
    std::nth_element(own.begin(), own.begin() + kRepeats / 2, own.end());
    medians.push_back(own[kRepeats / 2]);
  }
  return medians;
}

}  // namespace

Timings tune(const PlanBasis& basis, const FeatureShape& input, const ChoiceRules& rules, const Constants& constants,
             Workspace& workspace, Timings known, const std::function<void(const Error&)>& not_kept) {
  const Kernels& kernels = *basis.kernels;
  const int threads = workspace.team.threads();
  Timings timings = std::move(known);
  std::string path;
  try {
    timings.add(Timings::load(timings_path()));
    path = timings_path();
  } catch (const Error& error) {
    not_kept(error);
  }
  bool measured = false;
  for (const ConvAlgorithm& algorithm : kernels.convs) {
    if (!is_allowed(algorithm, rules)) continue;
    ChoiceRules trial = rules;
    trial.trial = &algorithm;
    Plan plan = outline_plan(basis, input, trial, threads);
    const bool known = std::all_of(plan.steps.begin(), plan.steps.end(), [&](const PlanStep& step) {
      return step.algorithm != &algorithm || timings.find(Timings::key(kernels, threads, step.conv), algorithm.name);
    });
    if (known) continue;
    Constants own = constants.fresh();
    take_constants(basis.program.graph, plan, own, workspace.team);
    const std::vector<double> times = time_steps(plan, kernels, workspace);
    for (std::size_t i = 0; i < times.size(); ++i) {
      if (plan.steps[i].algorithm != &algorithm) continue;
      timings.set(Timings::key(kernels, threads, plan.steps[i].conv), algorithm.name, times[i]);
    }
    measured = true;
  }
  if (!measured || path.empty()) return timings;
  try {
    timings.save(path);
  } catch (const Error& error) {
    not_kept(error);
  }
  return timings;
}

}  // namespace resnet
