// What people should know although nothing failed. A library prints nothing, so it hands such a line to the program,
// if that wants it.
#pragma once

#include <string>
#include <string_view>

namespace resnet {

using NoticeHandler = void (*)(std::string_view line);

// Null, as it is at first, for nobody. May be called from any thread, as the handler may.
void set_notice_handler(NoticeHandler handler) noexcept;

void notice(const std::string& line);

}  // namespace resnet
