// What commands that train show of it, and how people end them.
#pragma once

#include <string>

#include "console/progress.h"
#include "resnet/train.h"

namespace resnet::cli {

// Ends the process with the status that the signal has in shells.
[[noreturn]] void end_stopped();

// From now on the first signal that catch_signals() notes is answered by a line on standard error, at once.
void say_when_stopped();

// How a run goes, on standard error: on a terminal a line that is written over, elsewhere one of its own about once a
// minute, where nothing else was said meanwhile.
class ProgressLine {
 public:
  ProgressLine();
  // Shows nothing sooner than `pause` after what was shown or cleared last.
  ProgressLine(bool terminal, StatusLine::Clock::duration pause) : line_(terminal, pause) { line_.wait(); }

  // What stands before it, such as the name of the network.
  void set_title(std::string title) { title_ = std::move(title); }
  void show(const StepProgress& progress);
  void show_look(std::int64_t seen, std::int64_t pictures);  // at the pictures that validate
  void clear();                                              // before something else is said

 private:
  explicit ProgressLine(bool terminal);

  StatusLine line_;
  std::string title_;
};

}  // namespace resnet::cli
