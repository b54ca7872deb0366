#include "engine/short_weights.h"

#include <algorithm>

#include "program/quantized.h"

namespace resnet {

std::vector<Four> fours_of_channel(const Node& node, int out_channel) {
  const int taps = node.kernel * node.kernel;
  const int group_in = node.in_channels / node.groups;
  const int first = out_channel / (node.out_channels / node.groups) * group_in;
  const int pitch = (node.in_channels + 7) / 8 * 8;  // of a tap
  std::vector<Four> fours(static_cast<std::size_t>(pitch) * static_cast<std::size_t>(taps) / 4 + 2, {-1, -1, -1, -1});
  for (int i = 0; i < group_in * taps; ++i) {
    const int at = i % taps * pitch + first + i / taps;
    fours[at / 8 * 2 + at / 2 % 2][at / 4 % 2 * 2 + at % 2] = i;
  }
  std::erase(fours, Four{-1, -1, -1, -1});
  return fours;
}

bool has_short_weights(const Node& node, const StateDict& weights) {
  if (!is_quantized(weights, node.path) || node.in_channels < kShortChannels) return false;
  const Tensor& tensor = weights.at(node.path + ".weight");
  const Tensor codes = tensor.in_memory();
  const auto* weight = reinterpret_cast<const std::int8_t*>(codes.bytes().data());
  std::vector<int> four_of(static_cast<std::size_t>(tensor.count() / node.out_channels));
  std::vector<int> positive, negative;  // sums of the fours
  for (int out = 0; out < node.out_channels; ++out) {
    if (out == 0 || node.groups > 1) {
      const std::vector<Four> fours = fours_of_channel(node, out);
      for (std::size_t four = 0; four < fours.size(); ++four) {
        for (const int i : fours[four]) {
          if (i >= 0) four_of[i] = static_cast<int>(four);
        }
      }
      positive.resize(fours.size());
      negative.resize(fours.size());
    }
    std::fill(positive.begin(), positive.end(), 0);
    std::fill(negative.begin(), negative.end(), 0);
    for (const int four : four_of) {  // in the order of memory
      positive[four] += std::max<int>(*weight, 0);
      negative[four] += std::min<int>(*weight, 0);
      ++weight;
    }
    if (*std::max_element(positive.begin(), positive.end()) > kShortSum) return false;
    if (*std::min_element(negative.begin(), negative.end()) < -kShortSum) return false;
  }
  return true;
}

std::vector<bool> find_short_weights(const Program& program, const StateDict& weights, const Kernels& kernels) {
  std::vector<bool> is_short(program.graph.nodes.size());
  for (const Operation& operation : program.operations) {
    const bool quantized = !operation.converts && operation.input.format.type == ValueType::kU8;
    if (kernels.uses_short_weights && quantized) {
      is_short[operation.node] = has_short_weights(program.node(operation), weights);
    }
  }
  return is_short;
}

}  // namespace resnet
