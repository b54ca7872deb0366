// Lays out text in columns, for terminals.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

enum class Align { kLeft, kRight };

// Lines end in a newline and not in a space. A cell is as wide as it has UTF-8 characters.
class TextTable {
 public:
  using Cells = std::vector<std::string>;  // one per column; the last ones may be missing

  explicit TextTable(std::vector<Align> columns) : columns_(std::move(columns)), widths_(columns_.size()) {}

  // A cell may have several lines; cells of a row start at the same line.
  void row(Cells cells);

  // Text below a row that starts at a column and is as long as it likes.
  void note(std::size_t column, std::string text);

  // A line across the table.
  void rule();

  std::string str() const;

  // For rows that are printed as they come and are not kept: fit() makes the columns at least as wide as these cells,
  // line() and rule_line() lay out one as wide as the columns are now.
  void fit(const Cells& cells);
  std::string line(const Cells& cells) const;
  std::string rule_line() const;

 private:
  struct Row {
    enum class Kind { kCells, kNote, kRule } kind;
    Cells cells;             // of a note: its text
    std::size_t column = 0;  // of a note
  };
  std::string space_before(std::size_t column) const;

  std::vector<Align> columns_;
  std::vector<std::size_t> widths_;
  std::vector<Row> rows_;
};

// Characters of UTF-8 text.
std::size_t width(std::string_view text) noexcept;

}  // namespace resnet
