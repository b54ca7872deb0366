// What Linux says in /proc.
#pragma once

#include <string>

namespace resnet {

// A value of a file in /proc whose lines are "name : value"; empty where there is none.
std::string proc_value(const char* path, const std::string& name);

}  // namespace resnet
