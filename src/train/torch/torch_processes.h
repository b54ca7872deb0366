// The processes that train one network together, by LibTorch's c10d with Gloo over TCP. Where another process is gone,
// or does not answer within Worker::timeout_seconds, the functions throw an exception of LibTorch's, which explain()
// puts into words.
#pragma once

#include <torch/torch.h>

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "train/processes.h"

namespace resnet {

class TorchProcesses : public Processes {
 public:
  // Waits for the others. Throws kIo where there is nothing to meet at or somebody does not come, kMismatch where they
  // were started for another number of processes, kInvalidArgument for a rank that is there twice.
  explicit TorchProcesses(const Worker& worker = {});
  ~TorchProcesses() override;

  void check_alike(const std::string& what, const std::string& text) override;
  bool any(bool value) override;
  std::string broadcast(std::string text) override;
  [[noreturn]] void explain(const std::exception& error) override;
  void leave(const std::string& reason) override;

  // Replaces the values with their sums over all processes; the same bits in each.
  void sum(torch::Tensor values);
  double sum(double value);

  // Replaces values with rank 0's.
  void broadcast(std::vector<torch::Tensor> values);

  // The next backward pass makes the gradients of these parameters, always the same ones, their means over all
  // processes, bucket by bucket while the pass goes on (Li et al. 2020, "PyTorch Distributed", arXiv:2006.15704).
  void reduce_next_backward(const std::vector<torch::Tensor>& parameters);

 private:
  class Group;
  std::unique_ptr<Group> group_;  // of several
};

}  // namespace resnet
