// The page of one model.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "console/numbers.h"
#include "evaluate/report.h"
#include "evaluate/sight.h"
#include "report/charts.h"
#include "report/heat.h"
#include "report/page.h"
#include "resnet/explain.h"

namespace resnet {
namespace {

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string between(const Interval& interval) {
  return fmt::format("95 %: {:.2f} to {:.2f} %", 100 * interval.low, 100 * interval.high);
}

std::string paragraph(std::string_view text) { return fmt::format("<p>{}</p>\n", escape_html(text)); }

std::string class_table(const Report& report) {
  Table table({{"Class"}, {"Pictures", true}, {"Precision", true}, {"Recall", true}, {"F1", true}});
  for (std::size_t i = 0; i < report.scores.size(); ++i) {
    const ClassScore& s = report.scores[i];
    const auto of_some = [&](double share) { return s.images > 0 ? percent(share) : "\u2013"; };
    const std::string cells[] = {report.labels[i], fmt::format("{}", s.images), percent(s.precision), of_some(s.recall),
                                 of_some(s.f1)};
    table.add(cells);
  }
  return table.html();
}

std::string confusion_section(const Report& report) {
  MatrixChart chart{report.labels, {}};
  const int classes = report.confusion.classes();
  for (int truth = 0; truth < classes; ++truth) {
    for (int predicted = 0; predicted < classes; ++predicted)
      chart.counts.push_back(report.confusion.at(truth, predicted));
  }
  constexpr std::size_t kShown = 100;
  std::vector<ConfusedPair> pairs = report.confusion.mistakes();
  if (pairs.size() > kShown) pairs.resize(kShown);
  Table table({{"Class"}, {"Taken for"}, {"Pictures", true}, {"Of the class", true}});
  for (const ConfusedPair& pair : pairs) {
    const auto images = static_cast<double>(report.scores[pair.truth].images);
    const std::string cells[] = {report.labels[pair.truth], report.labels[pair.predicted],
                                 fmt::format("{}", pair.count), percent(static_cast<double>(pair.count) / images)};
    table.add(cells);
  }
  return paragraph(
             "A row is a class, a column what its pictures were taken for; the stronger the colour, the larger the "
             "share of the row. Right answers lie on the diagonal and are blue, mistakes are red.") +
         (classes > kNamedClasses ? paragraph("Numbers are those of the classes, counted from 0 in the order of the "
                                              "model.")
                                  : "") +
         "<div class=\"pair\">" + matrix_chart(chart) + table.html() + "</div>\n";
}

std::vector<ReliabilityColumn> columns_of(const Reliability& reliability) {
  std::vector<ReliabilityColumn> columns;
  const auto bins = static_cast<double>(reliability.bins.size());
  for (std::size_t i = 0; i < reliability.bins.size(); ++i) {
    const ReliabilityBin& bin = reliability.bins[i];
    columns.push_back({static_cast<double>(i) / bins, static_cast<double>(i + 1) / bins, bin.confidence, bin.accuracy,
                       bin.images == 0});
  }
  return columns;
}

std::string bins_table(const Report& report) {
  Table table({{"Confidence"}, {"Pictures", true}, {"Mean", true}, {"Right", true}});
  const std::vector<ReliabilityColumn> columns = columns_of(report.reliability);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].empty) continue;
    const std::string cells[] = {fmt::format("{:.1f} to {:.1f} %", 100 * columns[i].low, 100 * columns[i].high),
                                 fmt::format("{}", report.reliability.bins[i].images), percent(columns[i].confidence),
                                 percent(columns[i].accuracy)};
    table.add(cells);
  }
  return table.html();
}

std::string calibration_section(const Report& report) {
  if (!report.temperature_helps()) {
    return paragraph(fmt::format("Of pictures that the model is 80 % sure of, 80 % should be right. The expected "
                                 "calibration error is {}, "
                                 "and dividing the scores by a temperature before the softmax does not make it less.",
                                 percent(report.reliability.ece))) +
           "<div class=\"pair\">" + reliability_chart(columns_of(report.reliability), {}) + bins_table(report) +
           "</div>\n";
  }
  const char* verdict = report.temperature > 1.05   ? "The model is too sure of itself"
                        : report.temperature < 0.95 ? "The model is right more often than it says"
                                                    : "The model\u2019s probabilities are about right";
  std::string html = paragraph(fmt::format(
      "Of pictures that the model is 80 % sure of, 80 % should be right. {}: the expected calibration error is {}, and "
      "dividing the scores by a temperature of {:.3f} before the softmax makes it {} (the blue line) and the loss "
      "{:.4f} instead of {:.4f}. The temperature was fitted on these same pictures; no answer changes by it.",
      verdict, percent(report.reliability.ece), report.temperature, percent(report.mended.ece), report.mended_loss,
      report.evaluation.loss));
  return html + "<div class=\"pair\">" + reliability_chart(columns_of(report.reliability), columns_of(report.mended)) +
         bins_table(report) + "</div>\n";
}

std::string mistakes_section(const Report& report, const Classifier& classifier,
                             const std::vector<KeptPicture>& mistakes) {
  std::vector<std::string> captions;
  for (const KeptPicture& mistake : mistakes) {
    const PictureVerdict& v = mistake.verdict;
    captions.push_back(fmt::format("<strong class=\"wrong\">{}</strong> {} \u00b7 is <strong>{}</strong><br>{}",
                                   escape_html(report.labels[v.predicted]), percent(v.confidence),
                                   escape_html(report.labels[v.truth]), escape_html(short_path(v.path))));
  }
  return paragraph(
             "The wrong answers that the model is surest of, and beside each picture what spoke for its answer (class "
             "activation map). Look here first for wrong labels.") +
         gallery_html(classifier, mistakes, captions);
}

}  // namespace

std::string short_path(const std::string& path) {
  const std::filesystem::path inside(path.substr(path.rfind(':') + 1));
  return (inside.parent_path().filename() / inside.filename()).string();
}

std::string gallery_html(const Classifier& classifier, const std::vector<KeptPicture>& pictures,
                         const std::vector<std::string>& captions) {
  constexpr double kSide = 144;
  const Explainer explainer(classifier);
  const FeatureShape shape = classifier.input_shape();
  const double factor = kSide / static_cast<double>(std::max(shape.width, shape.height));
  const auto size = [&](std::int64_t side) {
    return std::max(1, static_cast<int>(factor * static_cast<double>(side)));
  };
  std::string html = "<div class=\"gallery\">\n";
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const PictureVerdict& verdict = pictures[i].verdict;
    const Heatmap map = explainer.explain(pictures[i].input, shape, verdict.predicted);
    const Image picture =
        scaled(picture_of(pictures[i].input, shape, classifier.preprocessing()), size(shape.width), size(shape.height));
    const Image heat = overlay(picture, HeatGrid::make(map.width, map.height, map.values));
    html += fmt::format("<figure><div>{}{}</div><figcaption>{}</figcaption></figure>\n",
                        html_image(picture, short_path(verdict.path)),
                        html_image(heat, "what spoke for " + classifier.labels()[verdict.predicted]), captions[i]);
  }
  return html + "</div>\n";
}

std::string report_page(const Report& report, const Classifier& classifier, const std::vector<KeptPicture>& mistakes) {
  const Evaluation& e = report.evaluation;
  Page page(std::filesystem::path(report.card.path).filename().string() + " on " + report.data,
            fmt::format("{} pictures of {} classes{}", grouped(e.images), report.labels.size(),
                        e.skipped > 0 ? fmt::format(", {} more could not be read", e.skipped) : ""));
  page.fact(percent(e.top1()), "Top-1", between(report.top1));
  if (shows_top5(report.labels.size())) page.fact(percent(e.top5()), "Top-5", between(report.top5));
  page.fact(fmt::format("{:.4f}", e.loss), "Loss", "mean cross-entropy");
  page.fact(percent(report.reliability.ece), "Calibration error",
            report.temperature_helps()
                ? fmt::format("{} at temperature {:.3f}", percent(report.mended.ece), report.temperature)
                : "no temperature makes it less");
  page.fact(fmt::format("{:.1f}/s", e.images_per_second()), "Pictures",
            fmt::format("{:.2f} ms each in the network",
                        1000 * e.network_seconds / static_cast<double>(std::max<std::int64_t>(e.images, 1))));
  page.section("Classes", class_table(report));
  page.section("Confusions", confusion_section(report));
  page.section("Calibration", calibration_section(report));
  if (!mistakes.empty()) page.section("Most confident mistakes", mistakes_section(report, classifier, mistakes));
  page.section("Model", card_html(report.card));
  page.numbers(to_json(report).text());
  return page.finish();
}

}  // namespace resnet
