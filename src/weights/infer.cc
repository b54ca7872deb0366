#include "weights/infer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <vector>

#include "base/error.h"

namespace resnet {
namespace {

constexpr int kMaxStages = 8;

bool is_valid(const Architecture& architecture) {
  try {
    validate(architecture);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool has_conv_bias(const StateDict& tensors) {
  return tensors.contains("conv1.bias") || tensors.contains("conv1.0.bias") || tensors.contains("layer1.0.conv1.bias");
}

Architecture adopt_layout(Architecture architecture, Layout layout) {
  Architecture result = architecture;
  result.layout = layout;
  if (is_valid(result)) return result;
  architecture.layout = Layout::kTorchvision;
  return architecture;
}

// "layer2.13.conv1.weight" -> stage 2, block 13; false for other names.
bool parse_block_name(std::string_view name, int& stage, int& block) {
  constexpr std::string_view kLayer = "layer";
  if (!name.starts_with(kLayer)) return false;
  const char* const end = name.data() + name.size();
  const auto [dot, stage_error] = std::from_chars(name.data() + kLayer.size(), end, stage);
  if (stage_error != std::errc() || dot == end || *dot != '.') return false;
  const auto [rest, block_error] = std::from_chars(dot + 1, end, block);
  return block_error == std::errc() && rest != end && *rest == '.' && stage >= 1 && block >= 0;
}

// Widths and pooling of a head whose tensors are there: the last of its linear layers gives the classes.
void read_head(const StateDict& tensors, Architecture& architecture) {
  const auto shape_of = [&](const std::string& name) {
    const Tensor* tensor = tensors.find(name);
    constexpr std::int64_t kMost = std::numeric_limits<int>::max();
    const bool fits = tensor != nullptr && tensor->shape().size() == 2 && tensor->shape()[0] >= 1 &&
                      tensor->shape()[0] <= kMost && tensor->shape()[1] >= 1;
    return fits ? tensor->shape() : Shape();
  };
  architecture.head_widths.clear();
  const bool several = tensors.contains("fc.0.weight");
  const Shape first = shape_of(several ? "fc.0.weight" : "fc.weight");
  if (several) {
    for (int number = 0;; number += 2) {
      const Shape shape = shape_of(fmt::format("fc.{}.weight", number));
      if (shape.empty()) break;
      architecture.head_widths.push_back(static_cast<int>(shape[0]));
    }
    if (!architecture.head_widths.empty()) {
      architecture.classes = architecture.head_widths.back();
      architecture.head_widths.pop_back();
    }
  } else if (!first.empty()) {
    architecture.classes = static_cast<int>(first[0]);
  }
  const HeadPool both = architecture.head_pool == HeadPool::kAverage ? HeadPool::kMaxAverage : architecture.head_pool;
  architecture.head_pool = HeadPool::kAverage;
  if (!first.empty() && first[1] == 2 * std::int64_t{architecture.features()}) architecture.head_pool = both;
  if (architecture.head_widths.empty()) architecture.head_activation = HeadActivation::kRelu;
}

class Inference {
 public:
  Inference(const StateDict& tensors, const std::string& where) : tensors_(tensors), where_(where) {}

  Architecture run(Layout layout) {
    count_blocks();
    read_stem();
    read_blocks();
    a_.classes = tensors_.contains("fc.weight") ? size("fc.weight", 0, 2) : 0;
    read_head(tensors_, a_);
    a_.conv_bias = has_conv_bias(tensors_);
    check();
    read_shortcut();
    a_ = adopt_layout(a_, layout);
    adopt_name();
    return a_;
  }

 private:
  // One size of a tensor that must be there with `rank` dimensions.
  int size(const std::string& name, std::size_t dimension, std::size_t rank) const {
    const Tensor* tensor = tensors_.find(name);
    if (tensor == nullptr) fail(ErrorCode::kMismatch, where_, "cannot tell the architecture: there is no {}", name);
    const Shape& shape = tensor->shape();
    if (shape.size() != rank) {
      fail(ErrorCode::kMismatch, where_, "cannot tell the architecture: {} has the shape {}, not {} dimensions", name,
           to_string(shape), rank);
    }
    if (shape[dimension] < 1 || shape[dimension] > std::numeric_limits<int>::max()) {
      fail(ErrorCode::kMismatch, where_, "cannot tell the architecture: {} has the shape {}", name, to_string(shape));
    }
    return static_cast<int>(shape[dimension]);
  }

  // Depths are numbers of different blocks, so that a hostile "layer1.2000000000" asks for one. A gap is found by the
  // check of the weights.
  void count_blocks() {
    std::array<std::vector<int>, kMaxStages> seen;
    int stages = 0;
    int stage = 0;
    int block = 0;
    for (const auto& [name, tensor] : tensors_) {
      if (!parse_block_name(name, stage, block) || stage > kMaxStages) continue;
      std::vector<int>& blocks = seen[stage - 1];
      if (blocks.empty() || blocks.back() != block) blocks.push_back(block);
      stages = std::max(stages, stage);
    }
    a_.depths.clear();
    for (int i = 0; i < stages; ++i) {
      std::sort(seen[i].begin(), seen[i].end());
      a_.depths.push_back(static_cast<int>(std::unique(seen[i].begin(), seen[i].end()) - seen[i].begin()));
    }
  }

  void read_stem() {
    if (tensors_.contains("conv1.0.weight")) {
      a_.stem = Stem::kDeep;
      a_.in_channels = size("conv1.0.weight", 1, 4);
      a_.stem_width = size("conv1.6.weight", 0, 4);
      return;
    }
    a_.in_channels = size("conv1.weight", 1, 4);
    a_.stem_width = size("conv1.weight", 0, 4);
    const int kernel = size("conv1.weight", 2, 4);
    if (kernel % 2 == 0 || kernel != size("conv1.weight", 3, 4)) {
      fail(ErrorCode::kMismatch, where_, "cannot tell the architecture: conv1.weight is {}x{}, which is no stem's",
           kernel, size("conv1.weight", 3, 4));
    }
    a_.stem = kernel <= 3 ? Stem::kCifar : Stem::kImageNet;
    a_.stem_kernel = kernel == 3 || kernel == 7 ? 0 : kernel;
  }

  void read_blocks() {
    a_.block = tensors_.contains("layer1.0.conv3.weight") ? Block::kBottleneck : Block::kBasic;
    a_.widths.clear();
    const char* const last = a_.block == Block::kBottleneck ? "conv3" : "conv1";
    for (std::size_t stage = 1; stage <= a_.depths.size(); ++stage) {
      a_.widths.push_back(size(fmt::format("layer{}.0.{}.weight", stage, last), 0, 4) / a_.expansion());
    }
    if (a_.widths.empty()) size("layer1.0.conv1.weight", 0, 4);  // says that it is not there
    if (a_.block == Block::kBottleneck) read_groups();
  }

  // The 3x3 of a bottleneck has width * width_per_group / 64 * groups channels, rounded down after the division. The
  // smallest width per group that explains every stage is taken; 64 where that does.
  void read_groups() {
    const int inner = size("layer1.0.conv2.weight", 0, 4);
    a_.groups = std::max(1, inner / size("layer1.0.conv2.weight", 1, 4));
    std::int64_t low = 1;
    std::int64_t high = std::numeric_limits<int>::max();
    for (std::size_t stage = 0; stage < a_.widths.size(); ++stage) {
      const std::int64_t width = std::max(1, a_.widths[stage]);
      const std::int64_t per_group = size(fmt::format("layer{}.0.conv2.weight", stage + 1), 0, 4) / a_.groups;
      low = std::max(low, (64 * per_group + width - 1) / width);
      high = std::min(high, (64 * (per_group + 1) - 1) / width);
    }
    a_.width_per_group = static_cast<int>(low <= 64 && 64 <= high ? 64 : std::min<std::int64_t>(low, 1 << 30));
  }

  void check() const {
    try {
      validate(a_);
    } catch (const Error& error) {
      fail(ErrorCode::kMismatch, where_, "cannot tell the architecture: {}", error.what());
    }
  }

  // A stage's first block changes the shape, but for the first stage where the channels stay. With no tensor that does
  // so, the shortcut is one without parameters.
  void read_shortcut() {
    bool needed = a_.depths.size() > 1 || a_.stem_width != a_.widths[0] * a_.expansion();
    for (std::size_t stage = 1; stage <= a_.depths.size(); ++stage) {
      const std::string path = fmt::format("layer{}.0.downsample.", stage);
      const Tensor* second = tensors_.find(path + "1.weight");
      if (second != nullptr && second->shape().size() == 4) {
        a_.shortcut = Shortcut::kAveragePool;
        return;
      }
      if (second != nullptr || tensors_.contains(path + "0.weight")) needed = false;
    }
    a_.shortcut = Shortcut::kProjection;
    if (!needed) return;
    a_.shortcut = Shortcut::kPadding;
    if (a_.stem != Stem::kCifar || !is_valid(a_)) a_.shortcut = Shortcut::kNone;
  }

  void adopt_name() {
    for (Architecture known : catalog()) {
      known.in_channels = a_.in_channels;
      known.classes = a_.classes;
      known.head_pool = a_.head_pool;
      known.head_widths = a_.head_widths;
      known.head_activation = a_.head_activation;
      known.layout = a_.layout;
      known.conv_bias = a_.conv_bias;
      a_.name = known.name;
      if (a_ == known) return;
    }
    a_.name = "resnet";
  }

  const StateDict& tensors_;
  const std::string& where_;
  Architecture a_;
};

}  // namespace

Architecture infer_architecture(const StateDict& tensors, Layout layout, const std::string& where) {
  return Inference(tensors, where).run(layout);
}

Architecture with_sizes_of(const StateDict& tensors, Layout layout, Architecture architecture) {
  const auto read = [&](const char* name, std::size_t dimension, std::size_t rank, int& value) {
    const Tensor* tensor = tensors.find(name);
    if (tensor == nullptr || tensor->shape().size() != rank) return;
    const std::int64_t size = tensor->shape()[dimension];
    if (size >= 1 && size <= std::numeric_limits<int>::max()) value = static_cast<int>(size);
  };
  read(architecture.stem == Stem::kDeep ? "conv1.0.weight" : "conv1.weight", 1, 4, architecture.in_channels);
  if (!tensors.empty()) architecture.classes = 0;
  read_head(tensors, architecture);
  architecture.conv_bias = has_conv_bias(tensors);
  return adopt_layout(architecture, layout);
}

}  // namespace resnet
