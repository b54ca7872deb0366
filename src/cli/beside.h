// Programs of the project that stand beside this one: they link what this one does without, so that it starts at once.
#pragma once

#include <string>
#include <vector>

namespace resnet::cli {

// The path of the program of this name in the folder of the one that runs; whether it is there is another matter.
std::string program_beside(const std::string& name);

// Becomes that program, which runs the command of `resnet` with these arguments. Throws kIo where it cannot.
[[noreturn]] void run_beside(const std::string& program, const std::string& command,
                             std::vector<std::string> arguments);

}  // namespace resnet::cli
