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

// As the charts say it.
struct ReportColumn {
  const char* title;
  double (*value)(const EpochRecord&);
  std::string (*text)(double);
};

std::string whole(double value) { return fmt::format("{:.0f}", value); }
std::string loss(double value) { return fmt::format("{:.4f}", value); }
std::string percent(double value) { return fmt::format("{:.2f}", 100 * value); }

constexpr ReportColumn kColumns[] = {
    {"epoch", [](const EpochRecord& r) { return static_cast<double>(r.epoch); }, whole},
    {"steps so far", [](const EpochRecord& r) { return static_cast<double>(r.step); }, whole},
    {"learning rate", [](const EpochRecord& r) { return r.lr; },
     [](double value) { return fmt::format("{:.4g}", value); }},
    {"training loss", [](const EpochRecord& r) { return r.train_loss; }, loss},
    {"validation loss", [](const EpochRecord& r) { return r.val_loss; }, loss},
    {"validation loss, averaged weights", [](const EpochRecord& r) { return r.ema_loss; }, loss},
    {"training top-1, %", [](const EpochRecord& r) { return r.train_top1; }, percent},
    {"validation top-1, %", [](const EpochRecord& r) { return r.val_top1; }, percent},
    {"validation top-1, averaged weights, %", [](const EpochRecord& r) { return r.ema_top1; }, percent},
    {"validation top-5, %", [](const EpochRecord& r) { return r.val_top5; }, percent},
    {"validation top-5, averaged weights, %", [](const EpochRecord& r) { return r.ema_top5; }, percent},
    {"pictures/s", [](const EpochRecord& r) { return r.images_per_second; },
     [](double value) { return fmt::format("{:.1f}", value); }},
    {"seconds", [](const EpochRecord& r) { return r.seconds; },
     [](double value) { return fmt::format("{:.1f}", value); }},
};

// Of what was measured in any epoch.
std::string table(std::span<const EpochRecord> history) {
  std::vector<const ReportColumn*> shown;
  std::vector<Column> columns;
  for (const ReportColumn& column : kColumns) {
    if (std::none_of(history.begin(), history.end(), [&](const auto& r) { return std::isfinite(column.value(r)); })) {
      continue;
    }
    shown.push_back(&column);
    columns.push_back({column.title, true});
  }
  Table table(std::move(columns));
  for (const EpochRecord& record : history) {
    std::vector<std::string> cells;
    for (const ReportColumn* column : shown) {
      const double value = column->value(record);
      cells.push_back(std::isfinite(value) ? column->text(value) : "");
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
                   chart("Speed", "pictures/s", {curve("training", h, &EpochRecord::images_per_second, 1)}, true));
  page.section("Epochs", table(h));
  page.section("Recipe", "<pre><code>" + escape_html(run.recipe) + "</code></pre>");
  page.numbers(to_json(h).text());
  return page.finish();
}

}  // namespace resnet
