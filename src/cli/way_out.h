// What to say behind an error so that it ends in the way out: what a word of other programs is called here, which file
// was meant by a name that no file has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "resnet/error.h"

namespace resnet::cli {

// "; that is resnet eval" for a command of other programs, and for one of ours that this build has not what it needs;
// "" for any other word.
std::string command_of_others(std::string_view word, std::string_view program);

// "; that is --batch here" for an option of other programs, among those that a command has, or "; did you mean --top?"
// for one that is near them; "" where neither is so.
std::string option_meant(std::string_view word, const std::vector<std::string>& options);

// Behind an error about a file that is not there: what was meant, such as "; did you mean model.safetensors?", or why
// there can be none. "" for every other error.
std::string file_meant(const Error& error);

}  // namespace resnet::cli
