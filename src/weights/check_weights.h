// Comparing what a network needs with what a file has.
#pragma once

#include <string>
#include <vector>

#include "resnet/graph.h"

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

// Compares a tensor with the parameter that it is to be: shape and type. Parameters must be of a floating-point type;
// weights that have a scale (arch/quantized.h) may be int8; num_batches_tracked, which no computation reads, may have
// any type.
void compare(const Parameter& parameter, const Tensor& tensor, bool has_scale, Mismatches& mismatches);

// Looks at the tensors of an int8 network that are among `weights`.
void compare_quantization(const Graph& graph, const StateDict& weights, Mismatches& mismatches);

// True for tensors that a file may lack: num_batches_tracked, which old versions of PyTorch did not write.
bool is_optional(const Parameter& parameter) noexcept;

}  // namespace resnet
