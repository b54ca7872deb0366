// `train` and `study`, the commands of the program resnet-train.
#pragma once

#include "cli/command.h"

namespace resnet::cli {

void add_trainer(CLI::App& app);
void add_study(CLI::App& app);

}  // namespace resnet::cli
