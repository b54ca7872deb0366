// A script that completes the program's commands and options in bash, written from the same tables as --help.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace resnet::cli {

// Completes commands, options, the values of options that have a known set of them, names of networks where a command
// takes them, and file names elsewhere. Needs nothing but bash 4.
std::string bash_completion(const CLI::App& app);

}  // namespace resnet::cli
