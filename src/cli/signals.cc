#include "cli/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/temporary_names.h"

namespace resnet::cli {
namespace {

volatile std::sig_atomic_t noted_signal = 0;
const char* volatile line_at_signal = nullptr;

bool is_ignored(int signal) {
  struct sigaction now {};
  return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

void remove_and_end(int signal) {
  if (end_temporary_files(signal)) end_by_signal(signal);
}

void note(int signal) { noted_signal = signal; }

void ask_to_stop(int signal) {
  if (noted_signal != 0 && end_temporary_files(signal)) std::_Exit(128 + signal);
  const char* const line = line_at_signal;
  if (noted_signal == 0 && line != nullptr) {
    const int kept = errno;
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line, std::strlen(line));
    errno = kept;
  }
  noted_signal = signal;
}

}  // namespace

void hold_standard_descriptors() {
  for (int file = STDIN_FILENO; file <= STDERR_FILENO; ++file) {
    if (::fcntl(file, F_GETFD) >= 0 || errno != EBADF) continue;
    const int taken = ::open("/dev/null", file == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // the lowest that is free
    if (taken < 0 && ::open("/", O_RDONLY | O_DIRECTORY) < 0) std::_Exit(1);
  }
}

void remove_temporary_files_at_signals() {
  std::signal(SIGPIPE, SIG_DFL);  // also where it was ignored: `resnet ... | head` ends quietly
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) {
    if (!is_ignored(signal)) handle(signal, remove_and_end);
  }
  std::signal(SIGXFSZ, SIG_IGN);
}

void catch_signals(SecondSignal second) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (signal != SIGHUP || !is_ignored(signal)) {  // nohup is meant
      handle(signal, second == SecondSignal::kEnds ? ask_to_stop : note);
    }
    sigaddset(&signals, signal);
  }
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // blocked by who started this process, until now
}

void say_at_signal(const char* line) { line_at_signal = line; }

int stop_signal() { return noted_signal; }

void end_by_signal(int signal) {
  std::signal(signal, SIG_DFL);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, signal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // as it is in its handler
  std::raise(signal);
  std::_Exit(128 + signal);
}

}  // namespace resnet::cli
