// The module tree as PyTorch prints it.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "arch/describe.h"

namespace resnet {
namespace {

struct Module {
  std::string name;  // within its parent
  std::string text;  // "ReLU()", or the class alone where there are children
  std::vector<Module> children;

  Module& child(std::string_view child_name) {  // the one wanted is mostly the last
    const auto place = std::find_if(children.rbegin(), children.rend(),
                                    [&](const Module& module) { return module.name == child_name; });
    if (place != children.rend()) return *place;
    return children.emplace_back(Module{std::string(child_name), {}, {}});
  }
};

std::string conv_text(const Node& node) {
  std::string text = fmt::format("Conv2d({}, {}, kernel_size=({}, {}), stride=({}, {})", node.in_channels,
                                 node.out_channels, node.kernel, node.kernel, node.stride, node.stride);
  if (node.padding > 0) text += fmt::format(", padding=({0}, {0})", node.padding);
  if (node.dilation > 1) text += fmt::format(", dilation=({0}, {0})", node.dilation);
  if (node.groups > 1) text += fmt::format(", groups={}", node.groups);
  if (!node.bias) text += ", bias=False";
  return text + ")";
}

std::string activation_text(const Node& node, Layout layout) {
  const bool inplace = layout != Layout::kTutorial;
  const char* alone = inplace ? "inplace=True" : "";
  switch (node.activation) {
    case Activation::kRelu: return fmt::format("ReLU({})", alone);
    case Activation::kLeakyRelu:
      return fmt::format("LeakyReLU(negative_slope={:g}{}{})", node.negative_slope, inplace ? ", " : "", alone);
    case Activation::kRelu6: return fmt::format("ReLU6({})", alone);
    case Activation::kSilu: return fmt::format("SiLU({})", alone);
    case Activation::kGelu: return "GELU(approximate='none')";
    case Activation::kHardswish: return "Hardswish()";
  }
  return "";
}

std::string leaf_text(const Node& node, Layout layout) {
  switch (node.op) {
    case Op::kConv: return conv_text(node);
    case Op::kBatchNorm:
      return fmt::format("BatchNorm2d({}, eps={:g}, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
                         node.out_channels, node.epsilon);
    case Op::kActivation: return activation_text(node, layout);
    case Op::kMaxPool:
      return fmt::format("MaxPool2d(kernel_size={}, stride={}, padding={}, dilation=1, ceil_mode={})", node.kernel,
                         node.stride, node.padding, node.ceil_mode ? "True" : "False");
    case Op::kAveragePool:
      return fmt::format("AvgPool2d(kernel_size={}, stride={}, padding={})", node.kernel, node.stride, node.padding);
    case Op::kBlur: return "BlurPool2d()";
    case Op::kPadShortcut:
      return fmt::format("PadShortcut({}, {}, stride={})", node.in_channels, node.out_channels, node.stride);
    case Op::kGlobalAveragePool: return "AdaptiveAvgPool2d(output_size=(1, 1))";
    case Op::kGlobalMaxPool: return "AdaptiveMaxPool2d(output_size=(1, 1))";
    case Op::kConcat: return "AdaptiveConcatPool2d";
    case Op::kLinear:
      return fmt::format("Linear(in_features={}, out_features={}, bias=True)", node.in_channels, node.out_channels);
    case Op::kInput:
    case Op::kAdd:
    case Op::kFlatten: break;  // no modules
  }
  return "";
}

// A relu that is used several times stands where the layout declares it: after the first batch norm in torchvision's
// basic block, where the nodes have it already; behind the last batch norm in all others.
void order_block(Module& block, const Architecture& a) {
  if (a.block == Block::kBasic && a.layout == Layout::kTorchvision) return;
  const auto relu = std::find_if(block.children.begin(), block.children.end(),
                                 [](const Module& module) { return module.name == "relu"; });
  const auto end = std::find_if(relu, block.children.end(),
                                [](const Module& module) { return module.name.ends_with("downsample"); });
  std::rotate(relu, relu + 1, end);
}

// Numbers in a Sequential that no node has are modules that do nothing.
void fill_gaps(Module& sequential) {
  for (std::size_t i = 0; i < sequential.children.size(); ++i) {
    const std::string number = std::to_string(i);
    if (sequential.children[i].name != number) {
      sequential.children.insert(sequential.children.begin() + static_cast<std::ptrdiff_t>(i),
                                 Module{number, "Identity()", {}});
    }
  }
}

void name_classes(Module& module, int level, const Architecture& a) {
  if (module.children.empty()) return;
  if (level == 0) {
    module.text = "ResNet";
  } else if (level == 2 && module.children.front().name == "conv1") {
    module.text = a.layout == Layout::kTutorial ? "block" : a.block == Block::kBasic ? "BasicBlock" : "Bottleneck";
    order_block(module, a);
  } else if (module.text.empty()) {
    module.text = "Sequential";
    fill_gaps(module);
  }
  for (Module& child : module.children) name_classes(child, level + 1, a);
}

void print(const Module& module, const std::string& indent, std::string& out) {
  out += module.text;
  if (!module.children.empty()) {
    out += "(\n";
    for (const Module& child : module.children) {
      out += fmt::format("{}  ({}): ", indent, child.name);
      print(child, indent + "  ", out);
    }
    out += indent + ")";
  }
  out += "\n";
}

}  // namespace

std::string module_tree(const Graph& graph) {
  Module root;
  for (const Node& node : graph.nodes) {
    if (node.path.empty()) continue;
    Module* module = &root;
    for (std::string_view rest = node.path; !rest.empty();) {
      const std::size_t dot = std::min(rest.find('.'), rest.size());
      module = &module->child(rest.substr(0, dot));
      rest.remove_prefix(std::min(dot + 1, rest.size()));
    }
    module->text = leaf_text(node, graph.architecture.layout);
  }
  name_classes(root, 0, graph.architecture);
  std::string text;
  print(root, "", text);
  return text;
}

}  // namespace resnet
