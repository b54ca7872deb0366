// resnet serve, the only command of resnet-serve.
#pragma once

#include "cli/options.h"

namespace resnet::cli {

void add_server(Command& app);

}  // namespace resnet::cli
