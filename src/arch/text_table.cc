#include "arch/text_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace resnet {
namespace {

constexpr std::string_view kColumnGap = "  ";

std::vector<std::string_view> lines(std::string_view cell) {
  std::vector<std::string_view> result;
  for (;;) {
    const std::size_t end = cell.find('\n');
    result.push_back(cell.substr(0, end));
    if (end == std::string_view::npos) return result;
    cell.remove_prefix(end + 1);
  }
}

void end_line(std::string& text) {
  text.erase(text.find_last_not_of(' ') + 1);
  text += '\n';
}

}  // namespace

std::size_t width(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

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

std::string TextTable::str() const {
  std::vector<std::size_t> widths(columns_.size());
  for (const auto& cells : rows_) {
    for (std::size_t c = 0; c < cells.size(); ++c) {
      for (const std::string_view line : lines(cells[c])) widths[c] = std::max(widths[c], width(line));
    }
  }
  std::size_t total = kColumnGap.size() * (columns_.size() - 1);
  for (const std::size_t w : widths) total += w;

  std::string text;
  for (const auto& cells : rows_) {
    if (cells.empty()) {
      for (std::size_t i = 0; i < total; ++i) text += "─";
      text += '\n';
      continue;
    }
    std::vector<std::vector<std::string_view>> split;
    std::size_t height = 1;
    for (const std::string& cell : cells) height = std::max(height, split.emplace_back(lines(cell)).size());
    for (std::size_t y = 0; y < height; ++y) {
      std::string line;
      for (std::size_t c = 0; c < cells.size(); ++c) {
        const std::string_view part = y < split[c].size() ? split[c][y] : std::string_view();
        const std::string space(widths[c] - width(part), ' ');
        if (c > 0) line += kColumnGap;
        if (columns_[c] == Align::kRight) line += space;
        line += part;
        if (columns_[c] == Align::kLeft) line += space;
      }
      end_line(line);
      text += line;
    }
  }
  return text;
}

}  // namespace resnet
