// The processes that train one network together: they meet, add up what each computed, and notice when one is gone. On
// its own a process does nothing of it, which is what this class does; LibTorch's knows several.
//
// Every process calls the same functions in the same order.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "resnet/worker.h"

namespace resnet {

class Processes {
 public:
  explicit Processes(Worker worker = {}) : worker_(std::move(worker)) {}
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;
  virtual ~Processes() = default;

  int rank() const noexcept { return worker_.rank; }
  int size() const noexcept { return worker_.world_size; }
  bool several() const noexcept { return size() > 1; }
  bool is_first() const noexcept { return rank() == 0; }

  // Throws kMismatch, in all of them, where a process has another text than rank 0: the first line that differs. `what`
  // is a name used once.
  virtual void check_alike(const std::string& /*what*/, const std::string& /*text*/) {}

  virtual bool any(bool value) { return value; }

  // Rank 0's.
  virtual std::string broadcast(std::string text) { return text; }

  // After an exception where there are several: throws kIo that names the ranks that are gone, or what they said before
  // they went.
  virtual void explain(const std::exception& /*error*/) {}

  // Tells the others why this process ends.
  virtual void leave(const std::string& /*reason*/) {}

 protected:
  Worker worker_;
};

}  // namespace resnet
