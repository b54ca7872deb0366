// What every program of the project does around its commands: parses, runs, turns errors into one line and an exit
// status.
#pragma once

#include "cli/options.h"

namespace resnet::cli {

// Runs the command that the arguments name. Gives the exit status: 0, 1 for resnet::Error and other failures, 2 for
// wrong usage.
int run_program(Command& program, int argc, char** argv);

}  // namespace resnet::cli
