#include "base/nearest.h"

#include <fmt/format.h>

#include <algorithm>

namespace resnet {
namespace {

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::vector<std::string> nearest(std::string_view text, std::span<const std::string> candidates, std::size_t count) {
  text = text.substr(0, 200);  // longer ones are no typing errors; the table is quadratic
  std::vector<std::pair<std::size_t, std::size_t>> order;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::size_t far = distance(text, candidates[i]);
    const std::size_t letters = std::max(text.size(), candidates[i].size());
    if (far <= (letters + 2) / 3) order.emplace_back(far, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::string> result;
  for (std::size_t i = 0; i < std::min(count, order.size()); ++i) result.push_back(candidates[order[i].second]);
  return result;
}

std::string did_you_mean(std::string_view text, std::span<const std::string> candidates, std::size_t count,
                         std::string_view quote) {
  std::string names;
  for (const std::string& name : nearest(text, candidates, count)) {
    names += fmt::format("{0}{1}{2}{1}", names.empty() ? "" : ", ", quote, name);
  }
  return names.empty() ? "" : fmt::format("; did you mean {}?", names);
}

}  // namespace resnet
