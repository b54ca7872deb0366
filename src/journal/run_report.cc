#include "journal/run_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "journal/history.h"
#include "report/line_chart.h"

namespace resnet {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--text:#222;--muted:#666;--back:#fff;--card:#f6f7f9;--grid:#dde1e7}
@media(prefers-color-scheme:dark){:root{--text:#e6e8eb;--muted:#9aa3ad;--back:#14171a;--card:#1d2226;--grid:#333a41}}
body{background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem}dt{color:var(--muted)}dd{margin:0}
figure{margin:1rem 0;background:var(--card);border-radius:.5rem;padding:.75rem}svg{width:100%;height:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:13px}
th,td{text-align:right;padding:.2rem .5rem;border-bottom:1px solid var(--grid)}
pre{background:var(--card);border-radius:.5rem;padding:.75rem;overflow:auto}div.wide{overflow-x:auto}
)";

Curve curve(const char* name, std::span<const EpochRecord> history, double EpochRecord::*value, double factor) {
  Curve result{name, {}, {}};
  for (const EpochRecord& record : history) {
    result.x.push_back(static_cast<double>(record.epoch));
    result.y.push_back(record.*value * factor);
  }
  return result;
}

// The curves of which anything was measured.
LineChart chart(const char* title, const char* unit, std::vector<Curve> curves, bool from_zero) {
  std::erase_if(curves, [](const Curve& c) {
    return std::all_of(c.y.begin(), c.y.end(), [](double y) { return std::isnan(y); });
  });
  return {title, "epoch", unit, std::move(curves), from_zero};
}

std::string table(std::span<const EpochRecord> history) {
  std::string html = "<div class=wide><table><tr>";
  for (const RecordField& field : record_fields()) html += fmt::format("<th>{}</th>", field.name);
  html += "</tr>";
  for (const EpochRecord& record : history) {
    html += "<tr>";
    for (const RecordField& field : record_fields()) {
      const double value = field.get(record);
      html += std::isfinite(value) ? fmt::format("<td>{:.6g}</td>", value) : "<td></td>";
    }
    html += "</tr>";
  }
  return html + "</table></div>";
}

}  // namespace

std::string to_html(const RunSummary& run) {
  const auto& h = run.history;
  std::string html = fmt::format(
      "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">"
      "<title>{0}</title><style>{1}</style><h1>{0}</h1><dl>",
      escape_markup(run.title), kStyle);
  for (const auto& [name, value] : run.facts) {
    html += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_markup(name), escape_markup(value));
  }
  html += "</dl>";
  const LineChart charts[] = {
      chart("Loss", "cross-entropy",
            {curve("training", h, &EpochRecord::train_loss, 1), curve("validation", h, &EpochRecord::val_loss, 1),
             curve("validation, averaged weights", h, &EpochRecord::ema_loss, 1)},
            false),
      chart("Top-1 accuracy", "%",
            {curve("training", h, &EpochRecord::train_top1, 100), curve("validation", h, &EpochRecord::val_top1, 100),
             curve("validation, averaged weights", h, &EpochRecord::ema_top1, 100)},
            false),
      chart("Learning rate", "", {curve("at the end of the epoch", h, &EpochRecord::lr, 1)}, true),
      chart("Speed", "images/s", {curve("training", h, &EpochRecord::images_per_second, 1)}, true),
  };
  for (const LineChart& c : charts) html += fmt::format("<figure>{}</figure>", to_svg(c));
  html += table(h);
  html += fmt::format("<h2>Recipe</h2><pre>{}</pre></html>\n", escape_markup(run.recipe));
  return html;
}

}  // namespace resnet
