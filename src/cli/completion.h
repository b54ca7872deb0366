// Scripts that complete the program's commands and options, written from the same tables as --help.
//
// Each completes commands, options, the values of options that have a known set of them, names of networks where a
// command takes them, and file names elsewhere. Options and commands that --help hides are left out.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace resnet::cli {

// Needs nothing but bash 4.
std::string bash_completion(const CLI::App& app);

// For a folder of zsh's $fpath, as _PROGRAM.
std::string zsh_completion(const CLI::App& app);

// For one of fish's folders of completions, as PROGRAM.fish.
std::string fish_completion(const CLI::App& app);

// "resnet18 resnet34 ...": all that completions offer for a network.
std::string network_names();

// The line of a shell that prints the options of a command that another program carries out, where that program is.
std::string listing_of_options(const CLI::App& foreign);

}  // namespace resnet::cli
