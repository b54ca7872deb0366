// Heatmaps over pictures, and the sheet that shows one with what the network answered. Knows no network: a map is
// numbers on a grid that covers a part of the picture.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/canvas.h"
#include "resnet/preprocessing.h"

namespace resnet {

// `values` row by row; scaled by their largest, which gets the scale's end.
struct HeatGrid {
  int width = 0;
  int height = 0;
  std::vector<float> values;

  // The value at a place (x and y from 0 to 1), between the centres of cells interpolated, over the largest.
  double at(double x, double y) const noexcept;

  float largest = 0;  // of the values; set by make()
  static HeatGrid make(int width, int height, std::vector<float> values);
};

// The picture with the map laid over `part`; what is outside the part is grayed, because the network never saw it.
Image overlay(const Image& picture, const HeatGrid& map, const SeenPart& part = {});

struct Bar {
  std::string label;
  double share = 0;  // 0 to 1
  bool emphasized = false;
};

struct HeatSheet {
  std::string title;     // such as the picture's name
  std::string subtitle;  // what the map is
  HeatGrid map;
  SeenPart part;
  std::vector<Bar> bars;
};

// The picture, the same with the map and a colour bar, and the bars: 880 pixels wide.
Image draw_heat_sheet(const Image& picture, const HeatSheet& sheet);

struct Tile {
  Image picture;
  std::string title;
  std::string subtitle;
};

// The first picture large, then the others row by row, each with its two lines.
Image draw_contact_sheet(const Tile& query, std::span<const Tile> tiles);

}  // namespace resnet
