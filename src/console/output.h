// What a program says beside its answers, and standard output as something that can fail.
#pragma once

#include <string_view>

namespace resnet {

// "resnet: MESSAGE" on standard error: one line, whatever the message holds.
void say(std::string_view message);

// What was printed so far reaches standard output now. Throws Error (kIo) where it cannot.
void flush_output();

}  // namespace resnet
