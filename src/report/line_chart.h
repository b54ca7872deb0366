// A line chart as SVG: curves over a common axis, with ticks, grid and legend. Colours come from CSS variables with
// fallbacks, so that a page can give it a dark theme.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace resnet {

struct Curve {
  std::string name;
  std::vector<double> x, y;  // of the same length; points that are no numbers break the line
  bool dashed = false;
  int color = -1;  // curves of the same number look alike; -1: the curve's own
};

struct LineChart {
  std::string title, x_label, y_label;
  std::vector<Curve> curves;
  bool from_zero = false;  // the y axis begins at 0
  double y_reach = 0;      // and goes at least so far, where that is not 0
};

// Text is escaped. A chart without a point says so.
std::string to_svg(const LineChart& chart);

}  // namespace resnet
