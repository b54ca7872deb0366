// Are these the network and the pictures that a set of weights was trained with?
//
// Batch norms remember the mean and the variance of what went into each layer in training. Pictures are run through the
// network under hypotheses about what its tensors do not tell (the pooling of the stem, strides, the activation, ...)
// and about how pictures were prepared (mean and std, range, order of channels); the nearer what goes in is to what is
// remembered, the likelier the hypothesis (docs/check.md). That statistics of batch norms tell drift: Schneider et al.
// 2020 (arXiv:2006.16971), section 2; Wang et al. 2021 (arXiv:2107.00191).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "resnet/graph.h"
#include "resnet/model_file.h"

namespace resnet {

// One way in which a network may have been trained.
struct Hypothesis {
  Architecture architecture;
  Preprocessing preprocessing;
  double distance = 0;         // of all batch norms: 0 where what goes in is what is remembered; times
  double handicap = 1;         // 1.25 where mean or std are not what the model says, 1.1 for each other departure
  double first_distance = 0;   // of the first batch norm alone
  std::vector<double> groups;  // the distance of each group of the pictures
};

enum class Verdict {
  kSure,        // chance cannot explain how much nearer the first hypothesis is
  kLikely,      // it hardly can
  kCannotTell,  // others are as near, or none is near
};
std::string_view name(Verdict value) noexcept;  // "sure", "likely", "cannot tell"

// Something about weights that their owner should know.
struct WeightProblem {
  std::string tensor;  // or the path of the module
  std::string text;    // "3 of 64 channels are zero"
};

struct CheckReport {
  std::vector<Hypothesis> hypotheses;  // nearest first
  std::size_t stated = 0;              // the index of what the model says, or what was assumed
  Verdict verdict = Verdict::kCannotTell;
  bool contradicted = false;      // the verdict is another one than what is stated
  bool remembers = true;          // false: no batch norm was ever updated, so that nothing can be told
  std::vector<std::string> open;  // fields of the architecture that were tried, by their names in the schema
  std::vector<WeightProblem> weights;
  std::size_t pictures = 0;
};

struct CheckOptions {
  // Only how pictures are prepared, by the first batch norm: for pictures that tell no more, such as draw_pictures().
  bool first_norm_alone = false;

  int threads = 0;                                                 // 0: one per processor
  std::function<void(std::size_t done, std::size_t of)> progress;  // hypotheses; called in the thread that asked
};

// `pictures` are tensors of values in 0..1 (channels RGB, mean 0, std 1) of the size that model.preprocessing says,
// which must be there: CHW, one behind the other, of `shape`. At least two. Throws kMismatch where they do not fit,
// kUnsupported where the network has no batch norms. May be called from several threads.
CheckReport check_model(const Model& model, std::span<const float> pictures, const FeatureShape& shape,
                        const CheckOptions& options = {});

// What is wrong with weights by themselves: values that are not finite, channels that are all zero, variances of 0,
// batch norms that were never updated.
std::vector<WeightProblem> find_weight_problems(const Graph& graph, const StateDict& weights);

// Pictures that nobody took: coloured noise whose spectrum falls off as that of photographs does, with their mean and
// spread (values in 0..1, CHW, one behind the other). The same ones each time.
std::vector<float> draw_pictures(const FeatureShape& shape);

}  // namespace resnet
