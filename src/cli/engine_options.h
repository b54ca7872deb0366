// The options of the commands that run networks: how convolutions are computed.
#pragma once

#include "cli/options.h"
#include "resnet/engine.h"

namespace resnet::cli {

// Adds --algorithms and --tune. `options` must live as long as the command.
void add_algorithm_options(Command& command, EngineOptions& options);

// Adds --streams, for commands that run batches.
Option* add_streams_option(Command& command, EngineOptions& options);

}  // namespace resnet::cli
