#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace resnet::cli {

Progress::Progress(std::string what, std::optional<std::size_t> total)
    : what_(std::move(what)), total_(total), active_(::isatty(STDERR_FILENO) == 1) {}

void Progress::update(std::int64_t done) {
  constexpr std::chrono::milliseconds kPause(100);
  const auto now = std::chrono::steady_clock::now();
  if (!active_ || now - last_ < kPause) return;
  last_ = now;
  shown_ = true;
  if (total_) {
    fmt::print(stderr, "\r{} of {} {}\033[K", done, *total_, what_);
  } else {
    fmt::print(stderr, "\r{} {}\033[K", done, what_);
  }
  std::fflush(stderr);
}

void Progress::clear() {
  if (!shown_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace resnet::cli
