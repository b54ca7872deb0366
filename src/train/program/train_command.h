// `train`, the command of the program resnet-train.
#pragma once

#include "cli/command.h"

namespace resnet::cli {

void add_trainer(CLI::App& app);

}  // namespace resnet::cli
