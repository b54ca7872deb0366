// Charts as SVG inside a page, whose style gives them their colours.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace resnet {

struct ReliabilityColumn {
  double low = 0, high = 0;  // of the bin
  double confidence = 0;     // mean
  double accuracy = 0;
  bool empty = true;
};

// Accuracy over confidence: columns for `before`, a line for `after`, and the diagonal on which both should lie.
std::string reliability_chart(std::span<const ReliabilityColumn> before, std::span<const ReliabilityColumn> after);

// A square matrix of counts as a picture, each row's shares as shades; the right answers lie on the diagonal. Up to 20
// classes have their counts written, up to kNamedClasses their names; of more, some have their numbers.
inline constexpr int kNamedClasses = 40;
struct MatrixChart {
  std::vector<std::string> names;
  std::vector<std::int64_t> counts;  // names.size() rows of names.size()
};
std::string matrix_chart(const MatrixChart& matrix);

}  // namespace resnet
