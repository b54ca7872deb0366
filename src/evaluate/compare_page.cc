// The page of two models.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "console/numbers.h"
#include "evaluate/compare.h"
#include "evaluate/report.h"
#include "report/page.h"

namespace resnet {
namespace {

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

// Of two percentages the difference.
std::string points(double share) { return fmt::format("{:.2f} points", 100 * share); }

// A difference with its sign; `text` is of what is not negative.
template <class Text>
std::string with_sign(double difference, Text text) {
  return (difference > 0 ? "+" : difference < 0 ? "\u2212" : "") + text(std::abs(difference));
}

std::string file_name(const ComparedModel& model) { return std::filesystem::path(model.card.path).filename().string(); }

std::string models_table(const Comparison& c) {
  Table table({{"Figure"}, {"A", true}, {"B", true}, {"B \u2212 A", true}});
  const auto add = [&](const char* what, double a, double b, auto text, auto difference) {
    const std::string cells[] = {what, text(a), text(b), with_sign(b - a, difference)};
    table.add(cells);
  };
  const Evaluation& a = c.a.evaluation;
  const Evaluation& b = c.b.evaluation;
  const auto loss = [](double value) { return fmt::format("{:.4f}", value); };
  const auto count = [](double value) { return grouped(static_cast<std::int64_t>(value)); };
  const auto speed = [](double value) { return fmt::format("{:.1f}", value); };
  const auto network = [](const Evaluation& e) {
    return 1000 * e.network_seconds / static_cast<double>(std::max<std::int64_t>(e.images, 1));
  };
  add("Top-1", a.top1(), b.top1(), percent, points);
  if (shows_top5(c.labels.size())) add("Top-5", a.top5(), b.top5(), percent, points);
  add("Loss", a.loss, b.loss, loss, loss);
  add("Pictures per second, read and classified", a.images_per_second(), b.images_per_second(), speed, speed);
  add("Milliseconds per picture in the network", network(a), network(b), loss, loss);
  add("Parameters", static_cast<double>(c.a.card.parameters), static_cast<double>(c.b.card.parameters), count, count);
  add("Multiply-accumulates per picture", static_cast<double>(c.a.card.macs_per_image),
      static_cast<double>(c.b.card.macs_per_image), count, count);
  return table.html();
}

std::string test_section(const Comparison& c) {
  Table table({{"Pictures that"}, {"B has right", true}, {"B has wrong", true}});
  const auto row = [&](const char* what, std::int64_t right, std::int64_t wrong) {
    const std::string cells[] = {what, fmt::format("{}", right), fmt::format("{}", wrong)};
    table.add(cells);
  };
  row("A has right", c.both_right, c.only_a);
  row("A has wrong", c.only_b, c.both_wrong);
  const std::int64_t images = c.both_right + c.both_wrong + c.only_a + c.only_b;
  return fmt::format(
      "<p>{}. Were both models equally good, a split as uneven would happen with probability {:.3g} (McNemar\u2019s "
      "exact test). They give the same answer for {} of {} pictures.</p>\n{}",
      verdict_of(c), c.p_value, grouped(c.same_answer), grouped(images), table.html());
}

std::string class_section(const Comparison& c) {
  const auto hundredths = [](double value) { return fmt::format("{:.2f}", value); };
  Table table({{"Class"}, {"Pictures", true}, {"A", true}, {"B", true}, {"Points", true}});
  for (std::size_t i = 0; i < c.labels.size(); ++i) {
    const double a = c.a.scores[i].recall;
    const double b = c.b.scores[i].recall;
    const std::string cells[] = {c.labels[i], fmt::format("{}", c.a.scores[i].images), percent(a), percent(b),
                                 with_sign(100 * (b - a), hundredths)};
    table.add(cells);
  }
  return "<p>Of each class\u2019s pictures, how many were right; points: by how much B is better.</p>\n" + table.html();
}

std::string pictures_section(const Comparison& c, const Comparer& comparer, const std::vector<KeptPicture>& pictures,
                             const Classifier& b) {
  std::vector<std::string> captions;
  for (const KeptPicture& picture : pictures) {
    const PictureVerdict& v = picture.verdict;
    const PictureVerdict& of_a = comparer.of_a(v.path);
    const auto answer = [&](const char* model, const PictureVerdict& verdict) {
      return fmt::format("{}: <strong{}>{}</strong> {}", model, verdict.right() ? "" : " class=\"wrong\"",
                         escape_html(c.labels[verdict.predicted]), percent(verdict.confidence));
    };
    captions.push_back(
        fmt::format("{}<br>{}<br>{}", answer("A", of_a), answer("B", v), escape_html(short_path(v.path))));
  }
  return "<p>Those that B is surest of, beside each what spoke for B\u2019s answer.</p>\n" +
         gallery_html(b, pictures, captions);
}

}  // namespace

std::string comparison_page(const Comparison& c, const Comparer& comparer, const Classifier& b) {
  Page page(fmt::format("{} against {} on {}", file_name(c.a), file_name(c.b), c.data),
            fmt::format("{} pictures of {} classes; A is {}, B is {}", grouped(c.b.evaluation.images), c.labels.size(),
                        c.a.card.path, c.b.card.path));
  page.fact(percent(c.a.evaluation.top1()), "A, top-1", file_name(c.a));
  page.fact(percent(c.b.evaluation.top1()), "B, top-1", file_name(c.b));
  page.fact(fmt::format("{:.3g}", c.p_value), "McNemar\u2019s p",
            c.p_value < 0.05 ? "a real difference" : "may be chance");
  page.fact(
      fmt::format("{:.2f}\u00d7", c.a.evaluation.network_seconds / std::max(c.b.evaluation.network_seconds, 1e-9)),
      "Speed of B", "of A, in the network");
  page.section("Side by side", models_table(c));
  page.section("Is one better?", test_section(c));
  page.section("Classes", class_section(c));
  if (!comparer.only_b_wrong().empty()) {
    page.section("Only A has them right", pictures_section(c, comparer, comparer.only_b_wrong(), b));
  }
  if (!comparer.only_a_wrong().empty()) {
    page.section("Only B has them right", pictures_section(c, comparer, comparer.only_a_wrong(), b));
  }
  page.section("Models", "<div class=\"pair\"><div><h3>A</h3>" + card_html(c.a.card) + "</div><div><h3>B</h3>" +
                             card_html(c.b.card) + "</div></div>\n");
  page.numbers(to_json(c).text());
  return page.finish();
}

}  // namespace resnet
