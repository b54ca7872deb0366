// What --help prints: a screen with what is needed most. --help-all prints the rest.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace resnet::cli {

// The program's commands by task; or of a command: what it does, how it is called, its arguments and common options,
// examples. Common are the options that stand under no heading (Option::group). `all` adds the others, whole
// descriptions and notes. Lines have 80 columns at most, but for examples.
std::string help(const CLI::App& app, bool all);

}  // namespace resnet::cli
