// "  3200 of 10000 images" on one line of stderr while long work goes on. Says nothing where stderr is no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace resnet::cli {

class Progress {
 public:
  Progress(std::string what, std::optional<std::size_t> total);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  // Shown a few times a second at most.
  void update(std::int64_t done);

  // Takes the line away, so that something else can be printed.
  void clear();

 private:
  std::string what_;
  std::optional<std::size_t> total_;
  bool active_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace resnet::cli
