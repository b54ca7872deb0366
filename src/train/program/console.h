// What commands that train show of it, and how people end them.
#pragma once

#include <chrono>
#include <string>

#include "cli/signals.h"
#include "resnet/train.h"

namespace resnet::cli {

// Ends the process with the status that the signal has in shells.
[[noreturn]] void end_stopped();

// "1:02:03"
std::string duration(double seconds);

// How a run goes, on standard error: on a terminal a line that is written over, elsewhere one of its own about once a
// minute, where nothing else was said meanwhile.
class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;
  ProgressLine();
  // Shows nothing sooner than `pause` after what was shown or cleared last.
  ProgressLine(bool terminal, Clock::duration pause) : terminal_(terminal), pause_(pause) {}

  // What stands before it, such as the name of the network.
  void set_title(std::string title) { title_ = std::move(title); }
  void show(const StepProgress& progress);
  void clear();  // before something else is said

 private:
  explicit ProgressLine(bool terminal);

  bool terminal_;
  Clock::duration pause_;
  std::string title_;
  bool shown_ = false;  // and to be written over
  Clock::time_point last_ = Clock::now();
};

}  // namespace resnet::cli
