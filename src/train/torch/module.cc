// The LibTorch module of a program: torch's convolutions, batch norms and linear layers under the graph's names, run in
// the order of the operations.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "program/program.h"
#include "resnet/torch.h"
#include "train/torch/batch_norm.h"
#include "train/torch/tensors.h"
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
  for (const auto& [name, tensor] : weights) {
    const auto place = tensors.find(name);
    if (place == tensors.end()) {
      fail(ErrorCode::kUnsupported, "state dict", "the network is int8 ('{}'), which has no gradients", name);
    }
    copy_to_torch(tensor, place->second, name);
  }
}

// Option A: every stride-th pixel, and zeros for the new channels, half of them before and half after.
torch::Tensor pad_shortcut(const Node& node, const torch::Tensor& x) {
  const std::int64_t pad = (node.out_channels - node.in_channels) / 2;
  const std::int64_t rest = node.out_channels - node.in_channels - pad;
  const torch::Tensor pixels =
      node.stride == 1 ? x : x.slice(2, 0, std::nullopt, node.stride).slice(3, 0, std::nullopt, node.stride);
  return torch::constant_pad_nd(pixels, {0, 0, 0, 0, pad, rest}).contiguous(x.suggest_memory_format());
}

torch::Tensor blurred(const Node& node, const torch::Tensor& x) {
  const torch::Tensor padded = torch::reflection_pad2d(x, {node.padding, node.padding, node.padding, node.padding});
  const torch::Tensor line = torch::tensor({0.25, 0.5, 0.25}, padded.options());
  const torch::Tensor weights = torch::outer(line, line).expand({node.out_channels, 1, 3, 3});
  return torch::conv2d(padded, weights, torch::Tensor(), node.stride, at::IntArrayRef{0}, 1, node.out_channels);
}

torch::Tensor activated(const torch::Tensor& x, const Node& node) {
  switch (node.activation) {
    case Activation::kRelu: return torch::relu(x);
    case Activation::kLeakyRelu: return torch::leaky_relu(x, node.negative_slope);
    case Activation::kRelu6: return torch::hardtanh(x, 0, 6);
    case Activation::kSilu: return torch::silu(x);
    case Activation::kGelu: return torch::gelu(x);
    case Activation::kHardswish: return torch::hardswish(x);
  }
  return x;
}

}  // namespace

// An operation of the program, with its modules.
struct ResNetImpl::Step {
  Operation operation;
  bool relu = false;      // ends its epilogue
  int block = -1;         // of those of the whole network, where `residual` is its shortcut
  std::vector<int> done;  // values that nothing reads after this step
  torch::nn::Conv2d conv = nullptr;
  torch::nn::BatchNorm2d norm = nullptr;
  torch::nn::Linear linear = nullptr;
};

ResNetImpl::ResNetImpl(const Architecture& architecture) : torch::nn::Module("ResNet"), graph_(expand(architecture)) {
  const Program program = lower(graph_, Lowering::kTraining);
  for (const Operation& operation : program.operations) {
    Step& step = steps_.emplace_back();
    step.operation = operation;
    step.relu = ends_with_relu(program, operation);
  }
  register_modules();
  const std::vector<Lifetime> lives = lifetimes(program);
  const int logits = program.operations.back().output.value;
  for (int value = 0; value < program.values; ++value) {
    if (value != logits && lives[value].given >= 0) steps_[lives[value].last_read].done.push_back(value);
  }
  copy_weights(*this, graph_, initial_weights(graph_, 0));
}

// In the order of the nodes, which is that of a state dict.
void ResNetImpl::register_modules() {
  std::map<int, Step*> by_node;
  for (Step& step : steps_) by_node[step.operation.node] = &step;
  int block = 0;
  for (const auto& [index, step] : by_node) {
    const Node& node = graph_.nodes[index];
    switch (node.op) {
      case Op::kConv: step->conv = register_at(*this, node.path, make_conv(node)); break;
      case Op::kLinear:
        step->linear = register_at(*this, node.path, torch::nn::Linear(node.in_channels, node.out_channels));
        break;
      case Op::kBatchNorm: {
        const auto options = torch::nn::BatchNorm2dOptions(node.out_channels).eps(graph_.architecture.bn_eps);
        step->norm = register_at(*this, node.path, torch::nn::BatchNorm2d(options));
        if (step->operation.epilogue.add >= 0) step->block = block++;
        break;
      }
      case Op::kInput:
      case Op::kActivation:
      case Op::kMaxPool:
      case Op::kAveragePool:
      case Op::kBlur:
      case Op::kPadShortcut:
      case Op::kAdd:
      case Op::kGlobalAveragePool:
      case Op::kGlobalMaxPool:
      case Op::kConcat:
      case Op::kFlatten: break;  // without parameters
    }
  }
}

ResNetImpl::ResNetImpl(Block block, std::vector<int> layers, int image_channels, int num_classes)
    : ResNetImpl(tutorial_style(block, std::move(layers), image_channels, num_classes)) {}

ResNetImpl::~ResNetImpl() = default;

torch::Tensor ResNetImpl::forward(const torch::Tensor& images) { return run(images, {}); }

torch::Tensor ResNetImpl::forward(const torch::Tensor& images, const torch::Tensor& block_scale) {
  return run(images, block_scale);
}

// A batch norm and its epilogue.
torch::Tensor ResNetImpl::normalize(Step& step, const torch::Tensor& x, const torch::Tensor& residual,
                                    const torch::Tensor& block_scale) {
  const std::string& path = graph_.nodes[step.operation.node].path;
  if (step.block < 0 || !block_scale.defined())
    return batch_norm_add_relu(*step.norm, x, residual, step.relu, sum_across_, path);
  const torch::Tensor f = batch_norm_add_relu(*step.norm, x, {}, false, sum_across_, path);
  const torch::Tensor y = f * block_scale[step.block].to(f.scalar_type()).view({-1, 1, 1, 1}) + residual;
  return step.relu ? torch::relu(y) : y;
}

torch::Tensor ResNetImpl::run(const torch::Tensor& images, const torch::Tensor& block_scale) {
  std::vector<torch::Tensor> values(graph_.nodes.size());
  for (Step& step : steps_) {
    const Operation& operation = step.operation;
    const Node& node = graph_.nodes[operation.node];
    const torch::Tensor x = operation.input.value >= 0 ? values[operation.input.value] : images;
    const torch::Tensor residual = operation.residual.value >= 0 ? values[operation.residual.value] : torch::Tensor();
    torch::Tensor y;
    switch (node.op) {
      case Op::kInput: y = x; break;
      case Op::kConv: y = step.conv->forward(x); break;
      case Op::kBatchNorm: y = normalize(step, x, residual, block_scale); break;
      case Op::kActivation: y = activated(x, node); break;
      case Op::kMaxPool:
        y = torch::max_pool2d(x, node.kernel, node.stride, node.padding, /*dilation=*/1, node.ceil_mode);
        break;
      case Op::kAveragePool:
        y = torch::avg_pool2d(x, node.kernel, node.stride, node.padding, node.ceil_mode, /*count_include_pad=*/false);
        break;
      case Op::kBlur: y = blurred(node, x); break;
      case Op::kPadShortcut: y = pad_shortcut(node, x); break;
      case Op::kAdd:
        y = x + residual;
        if (step.relu) y = torch::relu(y);
        break;
      case Op::kGlobalAveragePool: y = torch::adaptive_avg_pool2d(x, {1, 1}); break;
      case Op::kGlobalMaxPool: y = std::get<0>(torch::adaptive_max_pool2d(x, {1, 1})); break;
      case Op::kConcat: y = torch::cat({x, residual}, 1); break;
      case Op::kFlatten: y = x.flatten(1); break;
      case Op::kLinear: y = step.linear->forward(x); break;
    }
    values[operation.output.value] = std::move(y);
    for (const int value : step.done) values[value].reset();
  }
  return values[steps_.back().operation.output.value];
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
