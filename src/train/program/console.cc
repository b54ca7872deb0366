#include "train/program/console.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>

#include "console/numbers.h"
#include "console/output.h"

namespace resnet::cli {
namespace {

volatile std::sig_atomic_t noted_signal = 0;

void ask_to_stop(int signal) {
  if (noted_signal != 0) std::_Exit(128 + signal);
  noted_signal = signal;
}

}  // namespace

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = ask_to_stop;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // blocked by who started this process, until now
}

int stop_signal() { return noted_signal; }

void end_stopped() {
  flush_output();
  std::_Exit(128 + (noted_signal != 0 ? noted_signal : SIGTERM));  // another process was signalled
}

ProgressLine::ProgressLine() : ProgressLine(stderr_is_terminal()) {}

ProgressLine::ProgressLine(bool terminal)
    : ProgressLine(terminal, terminal ? std::chrono::milliseconds(200) : std::chrono::minutes(1)) {}

void ProgressLine::show(const StepProgress& p) {
  if (!line_.due()) return;
  line_.show(fmt::format("{}epoch {}/{}  batch {}/{}  loss {:.4f}  top-1 {:.2f} %  {:.1f} images/s  {} left", title_,
                         p.epoch, p.epochs, p.batch, p.batches, p.loss, 100 * p.top1, p.images_per_second,
                         duration(p.seconds_left)));
}

void ProgressLine::clear() {
  line_.clear();
  line_.wait();
}

}  // namespace resnet::cli
