// A line on standard error while long work goes on.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace resnet {

bool stderr_is_terminal();

// On a terminal a line that is written over; elsewhere a line of its own each time.
class StatusLine {
 public:
  using Clock = std::chrono::steady_clock;

  StatusLine(bool terminal, Clock::duration pause) : terminal_(terminal), pause_(pause) {}
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine() { clear(); }

  // Whether the pause is over since something was shown.
  bool due() const { return Clock::now() - last_ >= pause_; }

  void show(const std::string& text);

  // Takes the line away from a terminal, so that something else can be printed.
  void clear();

  // As if something had just been shown.
  void wait() { last_ = Clock::now(); }

 private:
  bool terminal_;
  Clock::duration pause_;
  bool shown_ = false;  // and to be written over
  Clock::time_point last_{};
};

// "3200 of 10000 images", a few times a second at most. Says nothing where standard error is no terminal.
class Progress {
 public:
  Progress(std::string what, std::optional<std::size_t> total);

  void update(std::int64_t done);
  void clear() { line_.clear(); }

 private:
  std::string what_;
  std::optional<std::size_t> total_;
  bool active_;
  StatusLine line_;
};

}  // namespace resnet
