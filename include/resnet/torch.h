// A residual network as a LibTorch module, for programs that train or differentiate one:
//
//   resnet::ResNet net = resnet::torch_module(resnet::find_architecture("resnet18"));
//   torch::Tensor logits = net->forward(torch::randn({8, 3, 224, 224}));
//
// The module is built from the same graph as everything else, and its parameters and buffers have the names of a
// PyTorch state dict ("layer1.0.conv1.weight"). This is the only header with torch's types in it.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "resnet/graph.h"
#include "resnet/model_file.h"

namespace resnet {

// Replaces the values of a float64 tensor on the CPU with their sums over several processes.
using SumAcross = std::function<void(torch::Tensor&)>;

class ResNetImpl : public torch::nn::Module {
 public:
  // Weights as initial_weights() makes them from seed 0. Throws what expand() throws.
  explicit ResNetImpl(const Architecture& architecture);

  // The tutorial's way to say it: ResNet(Block::kBottleneck, {3, 4, 6, 3}, 3, 1000) is a ResNet-50. Widths are 64, 128,
  // 256, ...
  ResNetImpl(Block block, std::vector<int> layers, int image_channels = 3, int num_classes = 1000);
  ~ResNetImpl() override;

  // Images N x channels x H x W, float32 or, under autocast, bfloat16; in memory format channels_last on a CPU batch
  // norm, addition and ReLU run as one. Gives logits N x classes. In training mode batch norms update their statistics;
  // throws kInvalidArgument, naming the layer, where one sees a single value per channel, as PyTorch does.
  torch::Tensor forward(const torch::Tensor& images);

  // The same with F(x) of each block multiplied, image by image, by block_scale[block][image] (float32): stochastic
  // depth (Huang et al. 2016, arXiv:1603.09382) where a scale is 0 or 1 / (probability of keeping the block).
  torch::Tensor forward(const torch::Tensor& images, const torch::Tensor& block_scale);

  // For the same network in several processes, each with a part of the batch: from now on batch norms in training mode
  // take statistics, and what their gradients need, over the pictures of all (CPU, float32 or bfloat16). The processes
  // call it in the same order, from forward() and from the backward pass; it is kept.
  void set_sum_across(SumAcross sum) { sum_across_ = std::move(sum); }

  const Graph& graph() const noexcept { return graph_; }

 private:
  struct Step;
  void register_modules();
  torch::Tensor normalize(Step& step, const torch::Tensor& x, const torch::Tensor& residual,
                          const torch::Tensor& block_scale);
  torch::Tensor run(const torch::Tensor& images, const torch::Tensor& block_scale);

  Graph graph_;
  std::vector<Step> steps_;
  SumAcross sum_across_;
};
TORCH_MODULE(ResNet);

// A network with fresh weights (He et al. 2015); the same seed gives the same ones on every machine.
ResNet torch_module(const Architecture& architecture, std::uint64_t seed = 0);

// A network with the weights of a model: torch_module(load_model("resnet50.pth")). The values become float32.
ResNet torch_module(const Model& model);

// Its parameters and buffers under their names, copied to the CPU, in the order of PyTorch's state_dict().
StateDict state_dict(ResNet& net);

// Copies values into the parameters and buffers, wherever those live. Throws kMismatch listing what does not fit.
void load_state_dict(ResNet& net, const StateDict& weights);

// What save_model() takes; class names and preprocessing are the caller's to add.
Model to_model(ResNet& net);

}  // namespace resnet
