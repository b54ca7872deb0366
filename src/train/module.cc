// The LibTorch module of a graph: torch's convolutions, batch norms and linear layers under the graph's names, and the
// order in which they run.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "resnet/torch.h"
#include "train/batch_norm.h"
#include "train/tensors.h"
#include "weights/check_weights.h"
#include "weights/initialize.h"

namespace resnet {
namespace {

Architecture tutorial_style(Block block, std::vector<int> layers, int image_channels, int num_classes) {
  Architecture a;
  a.block = block;
  a.widths.clear();
  for (std::size_t i = 0; i < layers.size(); ++i) a.widths.push_back(64 << std::min<std::size_t>(i, 16));
  a.depths = std::move(layers);
  a.in_channels = image_channels;
  a.classes = num_classes;
  return a;
}

// Registers `child` under a dotted path, with a module for each part that has none.
template <typename Holder>
Holder register_at(torch::nn::Module& root, const std::string& path, Holder child) {
  torch::nn::Module* parent = &root;
  std::size_t begin = 0;
  for (std::size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1) {
    const std::string name = path.substr(begin, dot - begin);
    const auto children = parent->named_children();
    const auto* known = children.find(name);
    parent = known != nullptr ? known->get()
                              : parent->register_module(name, std::make_shared<torch::nn::Module>("Module")).get();
  }
  return parent->register_module(path.substr(begin), std::move(child));
}

torch::nn::Conv2d make_conv(const Node& node) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(node.in_channels, node.out_channels, node.kernel)
                               .stride(node.stride)
                               .padding(node.padding)
                               .dilation(node.dilation)
                               .groups(node.groups)
                               .bias(node.bias));
}

// Parameters and buffers by name; handles, not copies.
std::map<std::string, torch::Tensor> tensors_of(const torch::nn::Module& net) {
  std::map<std::string, torch::Tensor> result;
  for (const auto& item : net.named_parameters()) result.emplace(item.key(), item.value());
  for (const auto& item : net.named_buffers()) result.emplace(item.key(), item.value());
  return result;
}

void copy_weights(const torch::nn::Module& net, const Graph& graph, const StateDict& weights) {
  check_weights(graph, weights, "state dict");
  auto tensors = tensors_of(net);
  for (const auto& [name, tensor] : weights) copy_to_torch(tensor, tensors.at(name), name);
}

// Option A: every stride-th pixel, and zeros for the new channels, half of them before and half after.
torch::Tensor pad_shortcut(const Node& node, const torch::Tensor& x) {
  const std::int64_t pad = (node.out_channels - node.in_channels) / 2;
  const std::int64_t rest = node.out_channels - node.in_channels - pad;
  const torch::Tensor pixels =
      node.stride == 1 ? x : x.slice(2, 0, std::nullopt, node.stride).slice(3, 0, std::nullopt, node.stride);
  return torch::constant_pad_nd(pixels, {0, 0, 0, 0, pad, rest}).contiguous(x.suggest_memory_format());
}

}  // namespace

// What runs at a node, and the nodes that run with it. A batch norm followed by nothing but an addition and a ReLU
// takes both along; the step then stands where the last of them stood.
struct ResNetImpl::Step {
  int node = 0;           // of the operation
  int input = 0;          // whose output it reads
  int residual = -1;      // likewise, where an addition was fused
  int output = 0;         // the node whose output it computes
  bool relu = false;      // fused
  int block = -1;         // of those of the whole network, where `residual` is its shortcut
  std::vector<int> done;  // outputs that nothing reads after this step
  torch::nn::Conv2d conv = nullptr;
  torch::nn::BatchNorm2d norm = nullptr;
  torch::nn::Linear linear = nullptr;
};

namespace {

// The only node that reads the output of `node`; -1 where there are more.
std::vector<int> single_readers(const Graph& graph) {
  std::vector<int> readers(graph.nodes.size(), -1);
  std::vector<int> counts(graph.nodes.size(), 0);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const int input : graph.nodes[i].inputs) {
      readers[input] = static_cast<int>(i);
      ++counts[input];
    }
  }
  for (std::size_t i = 0; i < readers.size(); ++i) {
    if (counts[i] != 1) readers[i] = -1;
  }
  return readers;
}

}  // namespace

ResNetImpl::ResNetImpl(const Architecture& architecture) : torch::nn::Module("ResNet"), graph_(expand(architecture)) {
  const std::vector<int> readers = single_readers(graph_);
  const auto reader_is = [&](int node, Op op) { return readers[node] >= 0 && graph_.nodes[readers[node]].op == op; };
  std::vector<bool> fused(graph_.nodes.size(), false);
  int block = 0;
  for (int i = 1; i < static_cast<int>(graph_.nodes.size()); ++i) {
    const Node& node = graph_.nodes[i];
    Step step;
    step.node = step.output = i;
    step.input = node.inputs[0];
    if (node.op == Op::kConv) step.conv = register_at(*this, node.path, make_conv(node));
    if (node.op == Op::kLinear) {
      step.linear = register_at(*this, node.path, torch::nn::Linear(node.in_channels, node.out_channels));
    }
    if (node.op == Op::kBatchNorm) {
      const auto options = torch::nn::BatchNorm2dOptions(node.out_channels).eps(kBatchNormEpsilon);
      step.norm = register_at(*this, node.path, torch::nn::BatchNorm2d(options));
      if (reader_is(i, Op::kAdd) && graph_.nodes[readers[i]].inputs[0] == i) {
        step.output = readers[i];
        step.residual = graph_.nodes[step.output].inputs[1];
        step.block = block++;
        fused[step.output] = true;
      }
      if (reader_is(step.output, Op::kRelu)) {
        step.output = readers[step.output];
        step.relu = true;
        fused[step.output] = true;
      }
    }
    if (!fused[i]) steps_.push_back(std::move(step));
  }
  // A fused step waits for its shortcut, which comes later in the graph.
  std::stable_sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) { return a.output < b.output; });
  std::map<int, Step*> last_reader;
  for (Step& step : steps_) {
    last_reader[step.input] = &step;
    if (step.residual >= 0) last_reader[step.residual] = &step;
  }
  for (const auto& [node, step] : last_reader) step->done.push_back(node);
  copy_weights(*this, graph_, initial_weights(graph_, 0));
}

ResNetImpl::ResNetImpl(Block block, std::vector<int> layers, int image_channels, int num_classes)
    : ResNetImpl(tutorial_style(block, std::move(layers), image_channels, num_classes)) {}

ResNetImpl::~ResNetImpl() = default;

torch::Tensor ResNetImpl::forward(const torch::Tensor& images) { return run(images, {}); }

torch::Tensor ResNetImpl::forward(const torch::Tensor& images, const torch::Tensor& block_scale) {
  return run(images, block_scale);
}

torch::Tensor ResNetImpl::run(const torch::Tensor& images, const torch::Tensor& block_scale) {
  std::vector<torch::Tensor> values(graph_.nodes.size());
  values[0] = images;
  for (Step& step : steps_) {
    const Node& node = graph_.nodes[step.node];
    const torch::Tensor& x = values[step.input];
    torch::Tensor y;
    switch (node.op) {
      case Op::kConv: y = step.conv->forward(x); break;
      case Op::kBatchNorm:
        if (step.block >= 0 && block_scale.defined()) {
          const torch::Tensor f = batch_norm_add_relu(*step.norm, x, {}, false, sum_across_, node.path);
          y = f * block_scale[step.block].to(f.scalar_type()).view({-1, 1, 1, 1}) + values[step.residual];
          if (step.relu) y = torch::relu(y);
        } else {
          const torch::Tensor residual = step.residual >= 0 ? values[step.residual] : torch::Tensor();
          y = batch_norm_add_relu(*step.norm, x, residual, step.relu, sum_across_, node.path);
        }
        break;
      case Op::kRelu: y = torch::relu(x); break;
      case Op::kMaxPool: y = torch::max_pool2d(x, node.kernel, node.stride, node.padding); break;
      case Op::kAveragePool:
        y = torch::avg_pool2d(x, node.kernel, node.stride, node.padding, node.ceil_mode, /*count_include_pad=*/false);
        break;
      case Op::kPadShortcut: y = pad_shortcut(node, x); break;
      case Op::kAdd: y = x + values[node.inputs[1]]; break;
      case Op::kGlobalAveragePool: y = torch::adaptive_avg_pool2d(x, {1, 1}); break;
      case Op::kFlatten: y = x.flatten(1); break;
      case Op::kLinear: y = step.linear->forward(x); break;
      case Op::kInput: break;
    }
    values[step.output] = std::move(y);
    for (const int node_done : step.done) values[node_done].reset();
  }
  return values.back();
}

ResNet torch_module(const Architecture& architecture, std::uint64_t seed) {
  ResNet net(architecture);
  if (seed != 0) load_state_dict(net, initial_weights(net->graph(), seed));
  return net;
}

ResNet torch_module(const Model& model) {
  ResNet net(model.architecture);
  load_state_dict(net, model.weights);
  return net;
}

StateDict state_dict(ResNet& net) {
  const auto tensors = tensors_of(*net);
  StateDict result;
  for (const Parameter& parameter : parameters(net->graph())) {
    result.add(parameter.name, from_torch(tensors.at(parameter.name)));
  }
  return result;
}

void load_state_dict(ResNet& net, const StateDict& weights) { copy_weights(*net, net->graph(), weights); }

Model to_model(ResNet& net) {
  Model model;
  model.architecture = net->graph().architecture;
  model.weights = state_dict(net);
  return model;
}

}  // namespace resnet
