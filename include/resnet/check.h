// Are these the network and the pictures that a set of weights was trained with?
//
// Batch norms remember the mean and the variance of what went into each layer in training. Pictures are run through the
// network under hypotheses about what its tensors do not tell (the pooling of the stem, strides, the activation, ...)
// and about how pictures were prepared (mean and std, range, order of channels); the nearer what goes in is to what is
// remembered, the likelier the hypothesis (docs/check.md). That statistics of batch norms tell drift: Schneider et al.
// 2020 (arXiv:2006.16971), section 2; Wang et al. 2021 (arXiv:2107.00191).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
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

// Whether what a network is given while it works is prepared as in its training: by the first batch norm alone, at a
// few places of each picture, without running the network. Content moves what goes into that norm as well, by a factor
// of a few: a folder of ships looks as if red and blue had been exchanged, blurred or pale pictures as if they had been
// divided by another std. So contradiction() speaks of what no content explains, values of 0..255 for 0..1 or a missing
// normalisation; check_model() tells more. distance() is for those who watch it over time.
//
//   resnet::InputDrift drift(model);
//   drift.add(values, shape);  // as the network takes them
//   if (drift.contradiction()) ...
//
// A value that shares nothing with the model. add() and clear() belong to one thread at a time; const functions may run
// side by side while nobody adds.
class InputDrift {
 public:
  // Throws kMismatch where `model` does not say how pictures are prepared.
  explicit InputDrift(const Model& model);

  // False: nothing is ever told, because the first batch norm was never updated, or because the stem is too large
  // ((channels + 1) * kernel * kernel beyond 1024).
  bool can_tell() const noexcept { return can_tell_; }

  // Pictures as the network takes them (NCHW). Costs 6,000 multiplications a picture behind a 3x3 stem, 170,000 behind
  // a 7x7. Throws kMismatch where values, shape and model do not fit.
  void add(std::span<const float> input, const FeatureShape& shape);
  void clear();
  std::int64_t pictures() const noexcept { return pictures_; }

  // Of the first batch norm: 0 where what goes in is what it remembers. Not a number before the first picture, and
  // where nothing can be told.
  double distance() const;

  // The preprocessing that fits, where it is beyond doubt that it is not the model's: with 16 pictures or more, of
  // usual contrast, the model's distance above 2.5 and fifteen times that of the one that fits, which is below 0.15.
  struct Contradiction {
    Preprocessing fits;
    double distance = 0;
  };
  std::optional<Contradiction> contradiction() const;

 private:
  double distance_under(const Preprocessing& how) const;
  bool usual_contrast() const;
  void cut_patch(const float* picture, const FeatureShape& shape, std::int64_t top, std::int64_t left,
                 std::span<float> patch) const;
  void add_products();

  bool can_tell_ = false;
  Preprocessing stated_;
  int channels_ = 0, kernel_ = 0, stride_ = 0, padding_ = 0;
  std::vector<float> weights_;  // of the first convolution: outputs x channels x kernel x kernel
  std::vector<double> bias_, mean_, variance_;
  std::int64_t pictures_ = 0;

  // A patch z that the convolution sees: values channel by channel, then 1 where a place lies in the picture and 0
  // where it lies in the border. Of all that were seen the sums of z, and of z z' the lower half, row by row.
  std::size_t patch_size_ = 0;
  std::vector<float> patches_;  // of one picture
  std::vector<double> sums_, products_;
};

}  // namespace resnet
