// The moving average of a network's weights and statistics (EMA): often better than any single step's.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "resnet/torch.h"

namespace resnet {

class AveragedWeights {
 public:
  // Starts from the network's values.
  AveragedWeights(ResNet& net, double decay);

  // After step `step` (from 1): average = d * average + (1 - d) * value, d rising as (1 + step) / (10 + step) to
  // `decay`, so that the first steps are soon forgotten.
  void update(std::int64_t step);

  // Exchanges the average's values and the network's; a second call puts them back.
  void swap();

  std::vector<torch::Tensor> values() const { return averages_; }  // handles

  void save(StateDict& tensors) const;  // as "ema.conv1.weight"
  void restore(const StateDict& tensors, const std::string& where);

 private:
  double decay_;
  std::vector<std::string> names_;
  std::vector<torch::Tensor> values_;  // the network's own
  std::vector<torch::Tensor> averages_;
};

}  // namespace resnet
