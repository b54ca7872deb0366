#include "console/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace resnet {

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

void StatusLine::show(const std::string& text) {
  wait();
  shown_ = terminal_;
  std::fputs((terminal_ ? "\r" + text + "\033[K" : text + "\n").c_str(), stderr);
  std::fflush(stderr);
}

void StatusLine::clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

Progress::Progress(std::string what, std::optional<std::size_t> total)
    : what_(std::move(what)),
      total_(total),
      active_(stderr_is_terminal()),
      line_(/*terminal=*/true, std::chrono::milliseconds(100)) {}

void Progress::update(std::int64_t done) {
  if (!active_ || !line_.due()) return;
  line_.show(total_ ? fmt::format("{} of {} {}", done, *total_, what_) : fmt::format("{} {}", done, what_));
}

}  // namespace resnet
