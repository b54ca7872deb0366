// Lays out text in columns, for terminals.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

enum class Align { kLeft, kRight };

class TextTable {
 public:
  explicit TextTable(std::vector<Align> columns) : columns_(std::move(columns)) {}

  // One cell per column. A cell may have several lines; cells of a row start at the same line.
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  // A line across the table.
  void rule() { rows_.emplace_back(); }

  // Lines that end in a newline and not in a space. A cell is as wide as it has UTF-8 characters.
  std::string str() const;

 private:
  std::vector<Align> columns_;
  std::vector<std::vector<std::string>> rows_;  // an empty one is a rule
};

// Characters of UTF-8 text.
std::size_t width(std::string_view text) noexcept;

// 25557032 as "25,557,032".
std::string grouped(std::int64_t value);

// 4089184256 as "4.09 G", 269722 as "270 k": three digits and a unit of 1, k, M, G or T.
std::string rounded(std::int64_t value);

}  // namespace resnet
