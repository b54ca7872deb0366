#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace resnet::serve {

std::string_view name(Phase phase) noexcept {
  switch (phase) {
    case Phase::kQueue: return "queue";
    case Phase::kDecode: return "decode";
    case Phase::kInfer: return "infer";
    case Phase::kEncode: return "encode";
  }
  return "";
}

void Histogram::add(Clock::duration time) noexcept {
  const double seconds = std::chrono::duration<double>(time).count();
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin();
  counts_[static_cast<std::size_t>(bound)].fetch_add(1, std::memory_order_relaxed);
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds, 0)), std::memory_order_relaxed);
}

std::uint64_t Histogram::all() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) sum += count(i);
  return sum;
}

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void MetricsText::line(std::string_view name, const Labels& labels, std::string_view value) {
  text_ += name;
  char before = '{';
  for (const auto& [key, text] : labels) {
    text_ += before;
    text_ += key;
    text_ += "=\"";
    for (const char c : text) {
      if (c == '\n') {
        text_ += "\\n";
        continue;
      }
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
    before = ',';
  }
  if (!labels.empty()) text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

void MetricsText::sample(std::string_view name, const Labels& labels, double value) {
  line(name, labels, std::isnan(value) ? "NaN" : fmt::format("{}", value));
}
void MetricsText::sample(std::string_view name, const Labels& labels, std::uint64_t value) {
  line(name, labels, fmt::format("{}", value));
}

void MetricsText::histogram(std::string_view name, const Labels& labels, const Histogram& histogram) {
  const std::string bucket = fmt::format("{}_bucket", name);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i <= Histogram::kBounds.size(); ++i) {
    sum += histogram.count(i);
    Labels with_bound = labels;
    const std::string bound = i < Histogram::kBounds.size() ? fmt::format("{}", Histogram::kBounds[i]) : "+Inf";
    with_bound.emplace_back("le", bound);
    line(bucket, with_bound, fmt::format("{}", sum));
  }
  sample(fmt::format("{}_sum", name), labels, static_cast<double>(histogram.nanoseconds()) / 1e9);
  sample(fmt::format("{}_count", name), labels, sum);
}

}  // namespace resnet::serve
