// What people are told of exceptions that are no resnet::Error. Their own words ("map::at") name nothing that people
// know and never reach them.
#pragma once

#include <exception>
#include <string>

namespace resnet {

// One line: of the system's errors, the file and what the system says; that memory is short; else that this is a fault
// of the library.
std::string describe_fault(const std::exception& fault);

}  // namespace resnet
