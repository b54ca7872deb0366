#include "evaluate/report.h"

#include <utility>

namespace resnet {
namespace {

Json to_json(const Reliability& reliability) {
  JsonArray bins;
  for (const ReliabilityBin& bin : reliability.bins) {
    bins.add(JsonObject{{"images", bin.images}, {"confidence", bin.confidence}, {"accuracy", bin.accuracy}});
  }
  return bins;
}

}  // namespace

Report make_report(ModelCard card, const std::string& data, const Classifier& classifier, const Evaluation& evaluation,
                   const Recorder& recorder) {
  const std::int64_t images = evaluation.images;
  Report report{std::move(card),
                data,
                classifier.labels(),
                evaluation,
                wilson_interval(images - evaluation.wrong_top1, images),
                wilson_interval(images - evaluation.wrong_top5, images),
                Confusion(static_cast<int>(classifier.labels().size())),
                {},
                1,
                0,
                {},
                {}};
  for (const PictureVerdict& verdict : recorder.verdicts()) report.confusion.add(verdict.truth, verdict.predicted);
  report.scores = report.confusion.scores();
  report.temperature = fit_temperature(recorder.logits(), recorder.truths());
  report.reliability = reliability(temper(recorder.logits(), recorder.truths(), 1).confidences, recorder.right());
  const Tempered mended = temper(recorder.logits(), recorder.truths(), report.temperature);
  report.mended = reliability(mended.confidences, recorder.right());
  report.mended_loss = mended.loss;
  return report;
}

JsonObject to_json(const Report& report) {
  JsonObject json = to_json(report.card);
  json.add_members_of(to_json(report.evaluation))
      .add("top1_low", report.top1.low)
      .add("top1_high", report.top1.high)
      .add("top5_low", report.top5.low)
      .add("top5_high", report.top5.high)
      .add("ece", report.reliability.ece)
      .add("temperature", report.temperature)
      .add("ece_at_temperature", report.mended.ece)
      .add("loss_at_temperature", report.mended_loss)
      .add("reliability", to_json(report.reliability))
      .add("reliability_at_temperature", to_json(report.mended));
  JsonArray classes;
  for (std::size_t i = 0; i < report.scores.size(); ++i) {
    const ClassScore& score = report.scores[i];
    classes.add(JsonObject{{"class", report.labels[i]},
                           {"images", score.images},
                           {"predicted", score.predicted},
                           {"right", score.right},
                           {"precision", score.precision},
                           {"recall", score.recall},
                           {"f1", score.f1}});
  }
  JsonArray confusions;
  for (const ConfusedPair& pair : report.confusion.mistakes()) {
    confusions.add(std::vector<std::int64_t>{pair.truth, pair.predicted, pair.count});
  }
  return json.add("classes", classes).add("confusions", confusions);
}

}  // namespace resnet
