// How often a model is right: top-1, top-5 and the mean cross-entropy over pictures whose classes are known.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "console/json.h"
#include "dataset/dataset.h"
#include "evaluate/class_map.h"
#include "resnet/classifier.h"
#include "resnet/error.h"

namespace resnet {

// A picture that has been through the network. Valid during the call that shows it.
struct Judged {
  const std::string& path;
  int truth;
  std::span<const float> logits;
  std::span<const float> input;  // preprocessed
};

struct EvaluateOptions {
  int batch = 16;                // pictures that run through the network together
  std::int64_t limit = -1;       // only so many pictures, from the first; -1: all
  bool skip_bad = false;         // count pictures that cannot be read instead of stopping at the first
  bool allow_nonfinite = false;  // count answers that are not finite as wrong instead of stopping at the first
  DecodeOptions decode;

  // Called after each batch with the number of pictures seen, from the calling thread.
  std::function<void(std::int64_t seen)> progress;

  // Called for each picture that was classified, in their order, likewise.
  std::function<void(const Judged& picture)> judged;

  // Called for each picture that is skipped, likewise.
  std::function<void(const Error& error)> skipped;

  // Called for each picture that was read, likewise.
  std::function<void(const std::string& path, const PictureNotes& notes)> noted;
};

struct Evaluation {
  std::int64_t images = 0;  // that were classified
  std::int64_t skipped = 0;
  std::int64_t wrong_top1 = 0;
  std::int64_t wrong_top5 = 0;  // the right class is not among the five highest scores
  double loss = 0;              // mean of -log softmax(logits)[class]
  double seconds = 0;           // reading and decoding included
  double network_seconds = 0;   // in the network alone, while others read and decode; without planning

  double top1() const noexcept { return share(images - wrong_top1); }
  double top5() const noexcept { return share(images - wrong_top5); }
  double images_per_second() const noexcept { return seconds > 0 ? static_cast<double>(images) / seconds : 0; }

  // Adds one picture. Equal scores rank in the order of the classes; a score that is not a number ranks last.
  void add(std::span<const float> logits, int truth);

 private:
  double share(std::int64_t right) const noexcept {
    return images > 0 ? static_cast<double>(right) / static_cast<double>(images) : 0;
  }
};

// Whether people are shown top-5: of ten classes or fewer, five right ones among them are no feat.
constexpr bool shows_top5(std::size_t classes) noexcept { return classes > 10; }

// The names in docs/json.md.
JsonObject to_json(const Evaluation& evaluation);

// Throws what the source and the classifier throw and, without skip_bad, the error of the first bad picture;
// kUnsupported, without allow_nonfinite, at the first picture whose scores are not finite.
Evaluation evaluate(const Classifier& classifier, Source& source, const ClassMap& classes,
                    const EvaluateOptions& options);

}  // namespace resnet
