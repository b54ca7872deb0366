// What a run is going to be, in words: what people are shown before its first step.
#pragma once

#include <string>

namespace resnet {

// One line: "network" and "resnet18, 11,178,051 parameters, ...".
struct PlanLine {
  std::string what;
  std::string text;
};

}  // namespace resnet
