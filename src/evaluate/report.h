// Everything that one page says of a model on a data set: the numbers, as JSON and as HTML.
#pragma once

#include <string>
#include <vector>

#include "console/json.h"
#include "evaluate/calibration.h"
#include "evaluate/metrics.h"
#include "evaluate/model_card.h"
#include "evaluate/recorder.h"

namespace resnet {

// How many of the most confident mistakes a page shows.
inline constexpr std::size_t kShownMistakes = 24;

struct Report {
  ModelCard card;
  std::string data;  // what was evaluated, as people call it
  std::vector<std::string> labels;
  Evaluation evaluation;
  Interval top1, top5;  // 95 %
  Confusion confusion;
  std::vector<ClassScore> scores;  // one per class
  double temperature = 1;          // the one of least loss, fitted on these same pictures
  double mended_loss = 0;          // at that temperature
  Reliability reliability;         // as the model is
  Reliability mended;              // at that temperature

  // False where the temperature of least loss leaves the calibration error as large: it is then not offered to people.
  bool temperature_helps() const noexcept { return less_error(mended, reliability); }
};

Report make_report(ModelCard card, const std::string& data, const Classifier& classifier, const Evaluation& evaluation,
                   const Recorder& recorder);

// The names in docs/json.md.
JsonObject to_json(const Report& report);

// The page. The heatmaps of the mistakes are computed here.
std::string report_page(const Report& report, const Classifier& classifier, const std::vector<KeptPicture>& mistakes);

// A picture's class folder and name, as pages call it: "star/00001.jpg" of "/data/val/star/00001.jpg" and of
// "val.zip:star/00001.jpg".
std::string short_path(const std::string& path);

// Figures of kept pictures, each beside its heatmap for the class that was predicted. `captions`: HTML, one per
// picture.
std::string gallery_html(const Classifier& classifier, const std::vector<KeptPicture>& pictures,
                         const std::vector<std::string>& captions);

}  // namespace resnet
