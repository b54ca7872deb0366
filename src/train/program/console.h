// What commands that train show of it, and how people end them.
#pragma once

#include <chrono>
#include <string>

#include "resnet/train.h"

namespace resnet::cli {

// From now on SIGINT and SIGTERM are only noted; a second one ends the process at once.
void catch_signals();

// The signal that asked the run to end; 0: none yet.
int stop_signal();

// Ends the process with the status that the signal has in shells.
[[noreturn]] void end_stopped();

// "1:02:03"
std::string duration(double seconds);

// One line on a terminal that is written over; nothing elsewhere.
class ProgressLine {
 public:
  // What stands before it, such as the name of the network.
  void set_title(std::string title) { title_ = std::move(title); }
  void show(const StepProgress& progress);
  void clear();

 private:
  std::string title_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace resnet::cli
