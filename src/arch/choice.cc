#include "arch/choice.h"

#include <algorithm>

namespace resnet {
namespace {

std::vector<int> doubling_widths(std::size_t stages, Stem stem) {
  std::vector<int> widths;
  int width = stem == Stem::kCifar ? 16 : 64;
  for (std::size_t i = 0; i < stages; ++i, width *= 2) widths.push_back(width);
  return widths;
}

}  // namespace

Architecture choose(const ArchitectureChoice& c) {
  Architecture a;
  if (!c.network.empty()) a = find_architecture(c.network);
  if (c.block || c.depths || c.widths || c.groups || c.width_per_group || c.stem) a.name = "resnet";
  if (c.block) a.block = *c.block;
  if (c.stem) a.stem = *c.stem;
  if (c.depths) a.depths = *c.depths;
  if (c.widths) a.widths = *c.widths;
  if (!c.widths && (c.network.empty() || a.widths.size() != a.depths.size())) {
    a.widths = doubling_widths(std::min<std::size_t>(a.depths.size(), 8), a.stem);
  }
  if ((c.depths || c.widths) && !a.widths.empty()) a.stem_width = a.widths.front();
  if (c.stem_width) a.stem_width = *c.stem_width;
  if (c.groups) a.groups = *c.groups;
  if (c.width_per_group) a.width_per_group = *c.width_per_group;
  if (c.shortcut) a.shortcut = *c.shortcut;
  if (c.channels) a.in_channels = *c.channels;
  if (c.classes) a.classes = *c.classes;
  if (c.dilated_stages) a.dilated_stages = *c.dilated_stages;
  a.stride_on_first = a.stride_on_first || c.stride_on_first;
  a.conv_bias = a.conv_bias || c.conv_bias;
  return a;
}

}  // namespace resnet
