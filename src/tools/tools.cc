#include "resnet/tools.h"

#include <algorithm>
#include <utility>

#include "arch/describe.h"
#include "base/error.h"
#include "evaluate/data_notes.h"
#include "evaluate/evaluate.h"
#include "evaluate/input.h"
#include "evaluate/metrics.h"
#include "evaluate/recorder.h"

namespace resnet {
namespace {

constexpr std::int64_t kUsualCalibration = 512;  // pictures

Dataset open(const PictureSet& pictures, bool classes) {
  if (pictures.limit == 0 || pictures.limit < -1) fail(ErrorCode::kInvalidArgument, "limit", "must be at least 1");
  return Dataset::open(pictures.path, {pictures.only, pictures.labels_file, classes});
}

void add_classes(const Confusion& confusion, const std::vector<std::string>& labels, DataReport& report) {
  const std::vector<ClassScore> scores = confusion.scores();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const ClassScore& score = scores[i];
    report.classes.push_back(
        {labels[i], score.images, score.predicted, score.right, score.precision, score.recall, score.f1});
  }
  for (int truth = 0; truth < confusion.classes(); ++truth) {
    for (int predicted = 0; predicted < confusion.classes(); ++predicted) {
      report.confused.push_back(confusion.at(truth, predicted));
    }
  }
}

}  // namespace

DataReport evaluate(const Classifier& model, const PictureSet& pictures, const EvaluateDataOptions& options) {
  require_head(model.architecture(), "evaluate");
  if (options.batch < 1) fail(ErrorCode::kInvalidArgument, "batch", "must be at least 1");
  const Dataset set = open(pictures, /*classes=*/true);
  refuse_parts(pictures.path, set, model);
  const ClassMap classes(model, set.labels(), set.labels_may_be_indices());
  DataReport report;
  for (std::string note :
       {parts_note(pictures.path, set, "judged"), labels_note(pictures.path, set, classes, "the model")}) {
    if (!note.empty()) report.notes.push_back(std::move(note));
  }
  const auto all = static_cast<std::int64_t>(set.count());
  const std::int64_t count = pictures.limit < 0 ? all : std::min(all, pictures.limit);
  Confusion confusion(static_cast<int>(model.labels().size()));
  EvaluateOptions how;
  how.batch = options.batch;
  how.skip_bad = options.skip_bad;
  how.judged = [&](const Judged& picture) { confusion.add(picture.truth, judge(picture).predicted); };
  if (options.progress) how.progress = [&](std::int64_t seen) { options.progress(seen, count); };
  const Evaluation result = evaluate(model, *set.items(pictures.limit), classes, how);
  if (result.images == 0) fail(ErrorCode::kFormat, pictures.path, "no picture could be classified");
  report.pictures = result.images;
  report.skipped = result.skipped;
  report.top1 = result.top1();
  report.top5 = result.top5();
  report.loss = result.loss;
  report.pictures_per_second = result.images_per_second();
  add_classes(confusion, model.labels(), report);
  return report;
}

QuantizedModel quantize(const Model& model, const PictureSet& pictures, const QuantizeDataOptions& options) {
  require_head(model.architecture, "quantize");
  const Dataset set = open(pictures, /*classes=*/false);
  ClassifierOptions read;
  read.engine.threads = options.threads;
  const std::int64_t limit = pictures.limit < 0 ? kUsualCalibration : pictures.limit;
  const PictureStack stack = read_stack(set, Classifier(model, read), limit, {}, {options.progress, {}});
  QuantizeOptions how;
  how.min_agreement = options.min_agreement;
  how.threads = options.threads;
  how.progress = options.progress;
  return quantize(model, CalibrationSet{stack.shape, stack.values}, how);
}

std::string summary(const Graph& graph, const FeatureShape& input) {
  return layer_table(graph, infer_shapes(graph, input));
}

}  // namespace resnet
