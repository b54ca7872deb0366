// Several processes of this program on one machine, which train together.
#pragma once

#include <string>
#include <vector>

namespace resnet::cli {

// Runs this program `count` times with the arguments (the first is its name) and the environment that
// worker_from_environment() reads, passes SIGINT, SIGTERM and SIGHUP on, and waits for all. Where one fails it says so
// and gives the others five seconds to end by themselves. They end as well when this process does. Gives the exit
// status: that of the first to fail, 128 + signal where a signal ended it, else 0. Throws kIo.
int run_processes(int count, const std::vector<std::string>& arguments);

}  // namespace resnet::cli
