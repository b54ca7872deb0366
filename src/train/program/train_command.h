// `train` and `study`, the commands of the program resnet-train.
#pragma once

#include "cli/options.h"

namespace resnet::cli {

void add_trainer(Command& app);
void add_study(Command& app);

}  // namespace resnet::cli
