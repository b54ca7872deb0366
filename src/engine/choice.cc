#include "engine/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace resnet {
namespace {

struct Candidate {
  const ConvAlgorithm* algorithm;
  double time;
};

// The time of each candidate: measured, where all of them were, else estimated.
bool measure(const Kernels& kernels, const ConvShape& shape, int threads, const ChoiceRules& rules,
             std::vector<Candidate>& candidates) {
  if (rules.timings != nullptr) {
    const std::string key = Timings::key(kernels, threads, shape);
    bool complete = true;
    for (Candidate& candidate : candidates) {
      const std::optional<double> found = rules.timings->find(key, candidate.algorithm->name);
      complete = complete && found;
      candidate.time = found.value_or(0);
    }
    if (complete) return true;
  }
  for (Candidate& candidate : candidates) candidate.time = candidate.algorithm->cost(shape, threads);
  return false;
}

}  // namespace

bool is_allowed(const ConvAlgorithm& algorithm, const ChoiceRules& rules) {
  return rules.algorithms != Algorithms::kDirect || algorithm.family == ConvFamily::kDirect;
}

Choice choose_algorithm(const Kernels& kernels, const ConvShape& shape, int threads, const ChoiceRules& rules) {
  Choice choice;
  std::vector<Candidate> candidates;
  bool winograd = false;
  const auto refuse = [&](const ConvAlgorithm& algorithm, std::string_view reason) {
    choice.refused.push_back(fmt::format("{}: {}", algorithm.name, reason));
  };
  for (const ConvAlgorithm& algorithm : kernels.convs) {
    const Refusal refusal = algorithm.refuse(shape);
    if (refusal == Refusal::kOtherType) continue;
    if (refusal != Refusal::kNone) {
      refuse(algorithm, text(refusal));
      continue;
    }
    if (!is_allowed(algorithm, rules)) {
      refuse(algorithm, "only direct algorithms are asked for");
      continue;
    }
    if (&algorithm == rules.trial) return {&algorithm, {}};
    winograd = winograd || algorithm.family == ConvFamily::kWinograd;
    candidates.push_back({&algorithm, 0});
  }
  if (rules.algorithms == Algorithms::kWinograd && winograd) {
    std::erase_if(candidates, [&](const Candidate& candidate) {
      const bool other = candidate.algorithm->family != ConvFamily::kWinograd;
      if (other) refuse(*candidate.algorithm, "Winograd is asked for");
      return other;
    });
  }
  RESNET_ASSERT(!candidates.empty());
  const bool measured = measure(kernels, shape, threads, rules, candidates);
  const Candidate best = *std::min_element(candidates.begin(), candidates.end(),
                                           [](const Candidate& a, const Candidate& b) { return a.time < b.time; });
  choice.algorithm = best.algorithm;
  for (const Candidate& candidate : candidates) {
    if (candidate.algorithm == best.algorithm) continue;
    refuse(*candidate.algorithm, fmt::format("{} {:.2f} times as long", measured ? "took" : "is expected to take",
                                             candidate.time / best.time));
  }
  return choice;
}

}  // namespace resnet
