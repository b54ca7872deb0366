// report.html: what a run was and how it went, on one page without any other file.
#pragma once

#include <span>
#include <string>

#include "resnet/train.h"

namespace resnet {

struct RunSummary {
  std::string title;                                       // "resnet20 on cifar10"
  std::vector<std::pair<std::string, std::string>> facts;  // name and value, in order
  std::span<const EpochRecord> history;
  std::string recipe;  // TOML
};

std::string to_html(const RunSummary& run);

}  // namespace resnet
