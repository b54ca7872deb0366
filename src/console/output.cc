#include "console/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "base/error.h"
#include "base/text.h"

namespace resnet {

void say(std::string_view message) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 20;              // a list of misfitting tensors may be long
  const char* clear = ::isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "";  // a line of progress may stand there
  std::fputs(fmt::format("{}resnet: {}\n", clear, one_line(message, kMaxBytes)).c_str(), stderr);  // closed or not
}

void flush_output() {
  std::cout.flush();  // libraries print help there
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) {
    fail(ErrorCode::kIo, "", "cannot write to standard output");
  }
}

}  // namespace resnet
