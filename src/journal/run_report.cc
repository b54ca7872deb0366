#include "journal/run_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "journal/history.h"
#include "report/line_chart.h"
#include "report/page.h"

namespace resnet {
namespace {

Curve curve(const char* name, std::span<const EpochRecord> history, double EpochRecord::*value, double factor) {
  Curve result{name, {}, {}};
  for (const EpochRecord& record : history) {
    result.x.push_back(static_cast<double>(record.epoch));
    result.y.push_back(record.*value * factor);
  }
  return result;
}

// The curves of which anything was measured.
std::string chart(const char* title, const char* unit, std::vector<Curve> curves, bool from_zero) {
  std::erase_if(curves, [](const Curve& c) {
    return std::all_of(c.y.begin(), c.y.end(), [](double y) { return std::isnan(y); });
  });
  return to_svg({title, "epoch", unit, std::move(curves), from_zero});
}

std::string table(std::span<const EpochRecord> history) {
  std::vector<Column> columns;
  for (const RecordField& field : record_fields()) columns.push_back({std::string(field.name), true});
  Table table(std::move(columns));
  for (const EpochRecord& record : history) {
    std::vector<std::string> cells;
    for (const RecordField& field : record_fields()) {
      const double value = field.get(record);
      cells.push_back(std::isfinite(value) ? fmt::format("{:.6g}", value) : "");
    }
    table.add(cells);
  }
  return "<div class=\"scroll\">" + table.html() + "</div>";
}

}  // namespace

std::string to_html(const RunSummary& run) {
  const auto& h = run.history;
  Page page(run.title, run.subtitle);
  for (const auto& [value, what, remark] : run.facts) page.fact(value, what, remark);
  page.section("Loss", chart("Loss", "cross-entropy",
                             {curve("training", h, &EpochRecord::train_loss, 1),
                              curve("validation", h, &EpochRecord::val_loss, 1),
                              curve("validation, averaged weights", h, &EpochRecord::ema_loss, 1)},
                             false));
  page.section("Accuracy", chart("Top-1 accuracy", "%",
                                 {curve("training", h, &EpochRecord::train_top1, 100),
                                  curve("validation", h, &EpochRecord::val_top1, 100),
                                  curve("validation, averaged weights", h, &EpochRecord::ema_top1, 100)},
                                 false));
  page.section("Learning rate and speed",
               chart("Learning rate", "", {curve("at the end of the epoch", h, &EpochRecord::lr, 1)}, true) +
                   chart("Speed", "images/s", {curve("training", h, &EpochRecord::images_per_second, 1)}, true));
  page.section("Epochs", table(h));
  page.section("Recipe", "<pre><code>" + escape_html(run.recipe) + "</code></pre>");
  page.numbers(to_json(h).text());
  return page.finish();
}

}  // namespace resnet
