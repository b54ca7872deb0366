// The one comparison of what a network needs with what there is: of its parameters, and of the tensors that it has
// besides them in int8 (quantized.h).
#pragma once

#include <string>
#include <vector>

#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

// What does not fit, in the order in which it is told: missing, unexpected, then misshapen tensors.
class Mismatches {
 public:
  void missing(const std::string& name);
  void unexpected(const std::string& name);
  void misfit(const std::string& name, const std::string& message);

  // Throws kMismatch, listing every item, where there is one: "PATH: does not fit resnet50: missing a; unexpected b".
  void report(const std::string& where, const Architecture& architecture) const;

 private:
  struct List {
    std::vector<std::string> items;
    std::size_t count = 0;
    void add(std::string item);
  };
  List missing_;
  List unexpected_;
  List misfits_;
};

// True for tensors that weights may lack: num_batches_tracked, which old versions of PyTorch did not write and no
// computation reads.
bool is_optional(const Parameter& parameter) noexcept;

// What is missing among `weights`, and what is there in another shape or type. Parameters must be of a floating-point
// type; weights of layers that have a scale may be int8; optional ones may have any type.
void compare_weights(const Graph& graph, const StateDict& weights, Mismatches& mismatches);

}  // namespace resnet
