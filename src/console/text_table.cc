#include "console/text_table.h"

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

void TextTable::row(Cells cells) {
  fit(cells);
  rows_.push_back({Row::Kind::kCells, std::move(cells)});
}

void TextTable::note(std::size_t column, std::string text) {
  rows_.push_back({Row::Kind::kNote, {std::move(text)}, column});
}

void TextTable::rule() { rows_.push_back({Row::Kind::kRule, {}}); }

void TextTable::fit(const Cells& cells) {
  for (std::size_t c = 0; c < cells.size(); ++c) {
    for (const std::string_view line : lines(cells[c])) widths_[c] = std::max(widths_[c], width(line));
  }
}

std::string TextTable::space_before(std::size_t column) const {
  std::size_t columns = 0;
  for (std::size_t c = 0; c < column; ++c) columns += widths_[c] + kColumnGap.size();
  return std::string(columns, ' ');
}

std::string TextTable::rule_line() const {
  std::string text;
  const std::size_t total = space_before(columns_.size()).size() - kColumnGap.size();
  for (std::size_t i = 0; i < total; ++i) text += "─";
  return text + '\n';
}

std::string TextTable::line(const Cells& cells) const {
  std::vector<std::vector<std::string_view>> split;
  std::size_t height = 1;
  for (const std::string& cell : cells) height = std::max(height, split.emplace_back(lines(cell)).size());
  std::string text;
  for (std::size_t y = 0; y < height; ++y) {
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string_view part = y < split[c].size() ? split[c][y] : std::string_view();
      const std::size_t taken = width(part);
      const std::string space(taken < widths_[c] ? widths_[c] - taken : 0, ' ');
      if (c > 0) line += kColumnGap;
      if (columns_[c] == Align::kRight) line += space;
      line += part;
      if (columns_[c] == Align::kLeft) line += space;
    }
    end_line(line);
    text += line;
  }
  return text;
}

std::string TextTable::str() const {
  std::string text;
  for (const Row& row : rows_) {
    switch (row.kind) {
      case Row::Kind::kCells: text += line(row.cells); break;
      case Row::Kind::kNote: text += space_before(row.column) + row.cells[0] + '\n'; break;
      case Row::Kind::kRule: text += rule_line(); break;
    }
  }
  return text;
}

}  // namespace resnet
