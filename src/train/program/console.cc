#include "train/program/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "cli/command.h"

namespace resnet::cli {
void end_stopped() {
  flush_output();
  std::_Exit(128 + (stop_signal() != 0 ? stop_signal() : SIGTERM));  // another process was signalled
}

std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::min(seconds, 1e9));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

ProgressLine::ProgressLine() : ProgressLine(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::ProgressLine(bool terminal)
    : ProgressLine(terminal, terminal ? std::chrono::milliseconds(200) : std::chrono::minutes(1)) {}

void ProgressLine::show(const StepProgress& p) {
  const auto now = Clock::now();
  if (now - last_ < pause_) return;
  last_ = now;
  shown_ = terminal_;
  const std::string text =
      fmt::format("{}epoch {}/{}  batch {}/{}  loss {:.4f}  top-1 {:.2f} %  {:.1f} images/s  {} left", title_, p.epoch,
                  p.epochs, p.batch, p.batches, p.loss, 100 * p.top1, p.images_per_second, duration(p.seconds_left));
  fmt::print(stderr, fmt::runtime(terminal_ ? "\r{}\033[K" : "{}\n"), text);
  std::fflush(stderr);
}

void ProgressLine::clear() {
  last_ = Clock::now();
  if (!shown_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace resnet::cli
