#include "evaluate/report.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace resnet {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Reliability& reliability) {
  Json bins = Json::array();
  for (const ReliabilityBin& bin : reliability.bins) {
    bins.push_back({{"images", bin.images}, {"confidence", bin.confidence}, {"accuracy", bin.accuracy}});
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
  for (const Verdict& verdict : recorder.verdicts()) report.confusion.add(verdict.truth, verdict.predicted);
  report.scores = report.confusion.scores();
  report.temperature = fit_temperature(recorder.logits(), recorder.truths());
  report.reliability = reliability(temper(recorder.logits(), recorder.truths(), 1).confidences, recorder.right());
  const Tempered mended = temper(recorder.logits(), recorder.truths(), report.temperature);
  report.mended = reliability(mended.confidences, recorder.right());
  report.mended_loss = mended.loss;
  return report;
}

Json to_json(const Report& report) {
  Json json = to_json(report.card);
  json.update(to_json(report.evaluation));
  json.update({{"top1_low", report.top1.low},
               {"top1_high", report.top1.high},
               {"top5_low", report.top5.low},
               {"top5_high", report.top5.high},
               {"ece", report.reliability.ece},
               {"temperature", report.temperature},
               {"ece_at_temperature", report.mended.ece},
               {"loss_at_temperature", report.mended_loss},
               {"reliability", to_json(report.reliability)},
               {"reliability_at_temperature", to_json(report.mended)}});
  Json classes = Json::array();
  for (std::size_t i = 0; i < report.scores.size(); ++i) {
    const ClassScore& score = report.scores[i];
    classes.push_back({{"class", report.labels[i]},
                       {"images", score.images},
                       {"predicted", score.predicted},
                       {"right", score.right},
                       {"precision", score.precision},
                       {"recall", score.recall},
                       {"f1", score.f1}});
  }
  json["classes"] = std::move(classes);
  Json confusions = Json::array();
  for (const ConfusedPair& pair : report.confusion.mistakes()) {
    confusions.push_back({pair.truth, pair.predicted, pair.count});
  }
  json["confusions"] = std::move(confusions);
  return json;
}

}  // namespace resnet
