#include "console/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace resnet {

std::string grouped(std::int64_t value) {
  std::string text = std::to_string(value);
  const std::size_t sign = value < 0 ? 1 : 0;
  for (std::size_t place = text.size(); place > sign + 3;) text.insert(place -= 3, 1, ',');
  return text;
}

std::string rounded(std::int64_t value) {
  constexpr std::string_view kUnits[] = {"", " k", " M", " G", " T"};
  auto scaled = static_cast<double>(value);
  std::size_t unit = 0;
  while (scaled >= 999.5 && unit + 1 < std::size(kUnits)) {
    scaled /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", scaled, decimals, kUnits[unit]);
}

std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::min(seconds, 1e9));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace resnet
