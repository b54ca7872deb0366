// Pages for man(1), written from the same tables as --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace resnet::cli {

// "resnet" for the program itself, "resnet-predict" for a command.
std::string man_page_name(const CLI::App& app);

// The page in man(7)'s language. Of the program: its commands; of a command: arguments, options in their groups, what
// the footer says, examples. Options and commands that --help hides are left out.
std::string man_page(const CLI::App& app);

}  // namespace resnet::cli
