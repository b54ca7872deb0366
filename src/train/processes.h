// The processes that train one network together: they meet, add up what each computed, and notice when one is gone.
// LibTorch's c10d with Gloo over TCP; on its own a process does nothing of it.
//
// Every process calls the same functions in the same order. Where another one is gone, or does not answer within
// Worker::timeout_seconds, they throw an exception of LibTorch's, which explain() puts into words.
#pragma once

#include <torch/torch.h>

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "resnet/worker.h"

namespace resnet {

class Processes {
 public:
  // Waits for the others. Throws kIo where there is nothing to meet at or somebody does not come, kMismatch where they
  // were started for another number of processes, kInvalidArgument for a rank that is there twice.
  explicit Processes(const Worker& worker = {});
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;
  ~Processes();

  int rank() const noexcept { return worker_.rank; }
  int size() const noexcept { return worker_.world_size; }
  bool several() const noexcept { return size() > 1; }
  bool is_first() const noexcept { return rank() == 0; }

  // Throws kMismatch, in all of them, where a process has another text than rank 0: the first line that differs. `what`
  // is a name used once.
  void check_alike(const std::string& what, const std::string& text);

  // Replaces the values with their sums over all processes; the same bits in each.
  void sum(torch::Tensor values);
  double sum(double value);
  bool any(bool value);

  // Replaces values with rank 0's.
  void broadcast(std::vector<torch::Tensor> values);
  std::string broadcast(std::string text);

  // The next backward pass makes the gradients of these parameters, always the same ones, their means over all
  // processes, bucket by bucket while the pass goes on (Li et al. 2020, "PyTorch Distributed", arXiv:2006.15704).
  void reduce_next_backward(const std::vector<torch::Tensor>& parameters);

  // After an exception: throws kIo that names the ranks that are gone, or what they said before they went.
  [[noreturn]] void explain(const std::exception& error);

  // Tells the others why this process ends.
  void leave(const std::string& reason);

 private:
  class Group;
  Worker worker_;
  std::unique_ptr<Group> group_;  // of several
};

}  // namespace resnet
