#include "journal/degradation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "journal/history.h"
#include "report/line_chart.h"
#include "report/page.h"

namespace resnet {
namespace {

double train_error(const EpochRecord& record) { return 100 * (1 - record.train_top1); }
double test_error(const EpochRecord& record) { return 100 * (1 - record.val_top1); }

struct Moments {
  double mean = 0, deviation = 0;
};

Moments moments(const std::vector<double>& values) {
  Moments m;
  const auto n = static_cast<double>(values.size());
  for (const double value : values) m.mean += value / n;
  for (const double value : values) m.deviation += (value - m.mean) * (value - m.mean);
  m.deviation = values.size() > 1 ? std::sqrt(m.deviation / (n - 1)) : 0;
  return m;
}

std::string percent(double value, double spread, int seeds) {
  return seeds > 1 ? fmt::format("{:.2f} ± {:.2f} %", value, spread) : fmt::format("{:.2f} %", value);
}

// A network whose error is above this part of what chance has wrong has not begun to learn.
constexpr double kLearned = 0.9;

std::string seeds_remark(int seeds) {
  return seeds > 1 ? fmt::format("Means of {} seeds, ± their standard deviation.", seeds)
                   : "One seed each: how much luck is in these figures is not known.";
}

}  // namespace

DegradationStudy::DegradationStudy(std::vector<StudyRun> runs, int classes)
    : runs_(std::move(runs)), chance_error_(classes > 1 ? 100 - 100.0 / classes : 0) {
  std::stable_sort(runs_.begin(), runs_.end(), [](const StudyRun& a, const StudyRun& b) {
    return a.residual != b.residual ? b.residual : a.depth < b.depth;
  });
  for (auto first = runs_.begin(); first != runs_.end();) {
    const auto last = std::find_if(first, runs_.end(), [&](const StudyRun& r) { return r.network != first->network; });
    std::vector<double> train, test;
    for (auto run = first; run != last; ++run) {
      train.push_back(train_error(run->history.back()));
      test.push_back(test_error(run->history.back()));
    }
    const Moments a = moments(train);
    const Moments b = moments(test);
    results_.push_back({first->network, first->residual, first->depth, static_cast<int>(train.size()), a.mean, b.mean,
                        a.deviation, b.deviation});
    first = last;
  }
}

std::vector<std::string> DegradationStudy::findings() const {
  std::vector<std::string> sentences;
  for (const bool residual : {false, true}) {
    std::vector<Result> kind;
    std::copy_if(results_.begin(), results_.end(), std::back_inserter(kind),
                 [&](const Result& result) { return result.residual == residual; });
    if (kind.size() < 2) continue;
    const Result& shallow = kind.front();
    const Result& deep = kind.back();
    if (chance_error_ > 0 && std::max(shallow.train_error, deep.train_error) > kLearned * chance_error_) {
      const Result& worse = shallow.train_error > deep.train_error ? shallow : deep;
      sentences.push_back(fmt::format(
          "{} is hardly better than chance on its training pictures yet (error {}, chance has {:.0f} %): more epochs "
          "first, then depth can be judged.",
          worse.network, percent(worse.train_error, worse.train_spread, worse.seeds), chance_error_));
      continue;
    }
    const auto verdict = [](double less, double more) {
      return more > less ? "worse" : more < less ? "better" : "the same";
    };
    sentences.push_back(fmt::format(
        "{}, the deeper one, learns its training pictures {} than {} (error {} against {}) and is {} on test pictures "
        "({} "
        "against {}).",
        deep.network, verdict(shallow.train_error, deep.train_error), shallow.network,
        percent(deep.train_error, deep.train_spread, deep.seeds),
        percent(shallow.train_error, shallow.train_spread, shallow.seeds), verdict(shallow.test_error, deep.test_error),
        percent(deep.test_error, deep.test_spread, deep.seeds),
        percent(shallow.test_error, shallow.test_spread, shallow.seeds)));
  }
  return sentences;
}

std::string DegradationStudy::to_svg(bool residual) const {
  LineChart chart{residual ? "Residual networks" : "Plain networks", "iterations", "error, %", {}, true, 0};
  for (const StudyRun& run : runs_) {
    for (const EpochRecord& record : run.history) {
      chart.y_reach = std::max({chart.y_reach, train_error(record), test_error(record)});
    }
  }
  int color = 0;
  for (const Result& result : results_) {
    if (result.residual != residual) continue;
    Curve train{result.network + " training", {}, {}, true, color};
    Curve test{result.network + " test", {}, {}, false, color};
    ++color;
    std::size_t epochs = SIZE_MAX;
    for (const StudyRun& run : runs_) {
      if (run.network == result.network) epochs = std::min(epochs, run.history.size());
    }
    for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
      std::vector<double> train_errors, test_errors;
      std::int64_t step = 0;
      for (const StudyRun& run : runs_) {
        if (run.network != result.network) continue;
        train_errors.push_back(train_error(run.history[epoch]));
        test_errors.push_back(test_error(run.history[epoch]));
        step = run.history[epoch].step;
      }
      train.x.push_back(static_cast<double>(step));
      test.x.push_back(static_cast<double>(step));
      train.y.push_back(moments(train_errors).mean);
      test.y.push_back(moments(test_errors).mean);
    }
    chart.curves.push_back(std::move(train));
    chart.curves.push_back(std::move(test));
  }
  return resnet::to_svg(chart);
}

std::string DegradationStudy::to_html(const std::string& recipe) const {
  Page page("Does depth degrade?", "Plain and residual networks of growing depth, trained alike");
  for (const Result& result : results_) {
    page.fact(fmt::format("{:.2f} %", result.test_error), result.network + ", test error",
              fmt::format("training {:.2f} %", result.train_error));
  }
  std::string text;
  for (const std::string& sentence : findings()) text += "<p>" + escape_html(sentence) + "</p>";
  text += "<p>" + seeds_remark(results_.front().seeds) +
          " The training error is that of an epoch's pictures as they were changed, while the network learned.</p>";
  page.section("What it shows", text);
  page.section("Error over iterations", to_svg(false) + to_svg(true));
  Table table({{"Network"}, {"Depth", true}, {"Seeds", true}, {"Training error", true}, {"Test error", true}});
  for (const Result& r : results_) {
    const std::vector<std::string> cells = {r.network, std::to_string(r.depth), std::to_string(r.seeds),
                                            percent(r.train_error, r.train_spread, r.seeds),
                                            percent(r.test_error, r.test_spread, r.seeds)};
    table.add(cells);
  }
  page.section("After the last epoch", table.html());
  page.section("Recipe", "<pre><code>" + escape_html(recipe) + "</code></pre>");
  page.numbers(to_json().text());
  return page.finish();
}

std::string DegradationStudy::to_markdown() const {
  std::string text = "| network | training error | test error |\n|---|---|---|\n";
  for (const Result& r : results_) {
    text += fmt::format("| {} | {} | {} |\n", r.network, percent(r.train_error, r.train_spread, r.seeds),
                        percent(r.test_error, r.test_spread, r.seeds));
  }
  return text + "\n" + seeds_remark(results_.front().seeds) + "\n";
}

Json DegradationStudy::to_json() const {
  JsonArray results;
  for (const Result& r : results_) {
    results.add(JsonObject{{"network", r.network},
                           {"residual", r.residual},
                           {"depth", r.depth},
                           {"seeds", r.seeds},
                           {"train_error_percent", r.train_error},
                           {"test_error_percent", r.test_error},
                           {"train_spread_percent", r.train_spread},
                           {"test_spread_percent", r.test_spread}});
  }
  JsonArray runs;
  for (const StudyRun& run : runs_) {
    runs.add(JsonObject{{"network", run.network}, {"seed", run.seed}, {"history", resnet::to_json(run.history)}});
  }
  return JsonObject{{"results", results}, {"runs", runs}};
}

}  // namespace resnet
