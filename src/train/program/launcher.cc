#include "train/program/launcher.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>

#include "base/error.h"
#include "cli/signals.h"
#include "console/output.h"
#include "train/meeting_point.h"
#include "train/program/console.h"

namespace resnet::cli {
namespace {

using Clock = std::chrono::steady_clock;

// The environment with other values of some variables.
std::vector<std::string> environment_with(const std::map<std::string, std::string>& values) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!values.contains(text.substr(0, text.find('=')))) result.push_back(text);
  }
  for (const auto& [name, value] : values) result.push_back(fmt::format("{}={}", name, value));
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

pid_t start(std::vector<std::string> arguments, std::vector<std::string> environment) {
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) fail(ErrorCode::kIo, "", "cannot start a process: {}", std::strerror(errno));
  if (child > 0) return child;
  setpgid(0, 0);  // signals of the terminal reach it through this process alone
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() == parent) execve("/proc/self/exe", argv.data(), envp.data());
  _exit(127);
}

// How long the others have to say whom they lost, from the last end on: an end is what the next one may notice first.
constexpr auto kPatience = std::chrono::seconds(10);

class Children {
 public:
  void add(pid_t child) { alive_[child] = static_cast<int>(alive_.size()); }

  int wait() {
    while (!alive_.empty()) {
      pass_signal_on();
      int status = 0;
      const pid_t child = waitpid(-1, &status, WNOHANG);
      if (child > 0) {
        note_end(child, status);
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
      if (status_ != 0 && stop_signal() == 0 && Clock::now() > deadline_) kill_all(SIGKILL);
    }
    return status_;
  }

 private:
  void pass_signal_on() {
    if (passed_ || stop_signal() == 0) return;
    passed_ = true;
    kill_all(stop_signal());
  }

  void kill_all(int signal) const {
    for (const auto& [child, rank] : alive_) kill(child, signal);
  }

  void note_end(pid_t child, int status) {
    const auto found = alive_.find(child);
    if (found == alive_.end()) return;  // a process that this one was given as its parent
    const int rank = found->second;
    alive_.erase(found);
    const int result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    deadline_ = Clock::now() + kPatience;
    if (result == 0 || status_ != 0) return;
    status_ = result;
    if (WIFSIGNALED(status)) {
      say(fmt::format("rank {} (process {}) was ended by signal {}: {}", rank, child, WTERMSIG(status),
                      strsignal(WTERMSIG(status))));
    }
  }

  std::map<pid_t, int> alive_;  // their ranks
  int status_ = 0;
  bool passed_ = false;
  Clock::time_point deadline_{};
};

}  // namespace

int run_processes(int count, const std::vector<std::string>& arguments) {
  catch_signals();
  const MeetingPoint meeting_point;
  Children children;
  // None is lost on a process that is not ready for it yet: that lets them through in catch_signals().
  sigset_t signals, before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, &before);
  for (int rank = 0; rank < count; ++rank) {
    children.add(start(arguments, environment_with({{"RANK", std::to_string(rank)},
                                                    {"LOCAL_RANK", std::to_string(rank)},
                                                    {"WORLD_SIZE", std::to_string(count)},
                                                    {"LOCAL_WORLD_SIZE", std::to_string(count)},
                                                    {"MASTER_ADDR", "127.0.0.1"},
                                                    {"MASTER_PORT", std::to_string(meeting_point.port())},
                                                    {"TORCHELASTIC_USE_AGENT_STORE", "True"}})));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return children.wait();
}

}  // namespace resnet::cli
