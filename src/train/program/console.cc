#include "train/program/console.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>

#include "cli/signals.h"
#include "console/numbers.h"
#include "console/output.h"

namespace resnet::cli {
void end_stopped() {
  flush_output();
  std::_Exit(128 + (stop_signal() != 0 ? stop_signal() : SIGTERM));  // another process was signalled
}

void say_when_stopped() {
  constexpr const char* kPlain = "resnet: finishing this batch and writing a checkpoint; again to stop now\n";
  constexpr const char* kTerminal =
      "\r\033[Kresnet: finishing this batch and writing a checkpoint; again to stop now\n";
  say_at_signal(stderr_is_terminal() ? kTerminal : kPlain);
}

ProgressLine::ProgressLine() : ProgressLine(stderr_is_terminal()) {}

ProgressLine::ProgressLine(bool terminal)
    : ProgressLine(terminal, terminal ? std::chrono::milliseconds(200) : std::chrono::minutes(1)) {}

void ProgressLine::show(const StepProgress& p) {
  if (!line_.due()) return;
  line_.show(fmt::format("{}epoch {}/{}  batch {}/{}  loss {:.4f}  top-1 {:.2f} %  {:.1f} pictures/s  {} left", title_,
                         p.epoch, p.epochs, p.batch, p.batches, p.loss, 100 * p.top1, p.images_per_second,
                         duration(p.seconds_left)));
}

void ProgressLine::show_look(std::int64_t seen, std::int64_t pictures) {
  if (!line_.due()) return;
  line_.show(
      fmt::format("{}looking at the pictures to validate with: {} of {}", title_, grouped(seen), grouped(pictures)));
}

void ProgressLine::clear() {
  line_.clear();
  line_.wait();
}

}  // namespace resnet::cli
