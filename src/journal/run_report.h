// report.html: what a run was and how it went, on one page without any other file.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "resnet/epoch_record.h"

namespace resnet {

struct RunFact {
  std::string value;   // "87.3 %"
  std::string what;    // "best top-1"
  std::string remark;  // "after epoch 28"
};

struct RunSummary {
  std::string title;     // "resnet20"
  std::string subtitle;  // what it was trained on
  std::vector<RunFact> facts;
  std::span<const EpochRecord> history;
  std::string recipe;  // TOML
};

std::string to_html(const RunSummary& run);

}  // namespace resnet
