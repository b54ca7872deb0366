// Pages for man(1), written from the same tables as --help.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace resnet::cli {

struct ManPage {
  std::string name;  // "resnet" of the program itself, "resnet-predict" of a command
  std::string text;  // in man(7)'s language
};

// The program's page, which lists its commands, and then one for each command that is not another program's: arguments,
// options in their groups, what the footer says, examples. Options and commands that --help hides are left out.
std::vector<ManPage> man_pages(const CLI::App& program);

}  // namespace resnet::cli
