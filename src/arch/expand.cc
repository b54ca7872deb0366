// From an architecture to the list of its operations.
#include "base/error.h"
#include "resnet/graph.h"

namespace resnet {
namespace {

struct Window {
  int kernel;
  int stride = 1;
  int dilation = 1;
  int groups = 1;
};

// Appends nodes; each function takes the index of its input and returns that of its output.
class Builder {
 public:
  explicit Builder(const Architecture& architecture) : a_(architecture) {
    graph_.architecture = architecture;
    Node input;
    input.out_channels = a_.in_channels;
    graph_.nodes.push_back(input);
  }

  Graph build() {
    int x = stem();
    int channels = a_.stem_width;
    int dilation = 1;
    const int stages = static_cast<int>(a_.depths.size());
    for (stage_ = 0; stage_ < stages; ++stage_) {
      int stride = a_.stride_of(stage_);
      const int previous = dilation;
      if (stage_ >= stages - a_.dilated_stages) {
        dilation *= stride;
        stride = 1;
      }
      for (block_ = 0; block_ < a_.depths[stage_]; ++block_) {
        x = block_ == 0 ? block(x, channels, stride, previous, dilation) : block(x, channels, 1, dilation, dilation);
        channels = a_.widths[stage_] * a_.expansion();
      }
    }
    stage_ = block_ = -1;
    x = pool(Op::kFlatten, "", head_pool(x));
    if (a_.classes > 0) head(x);
    return std::move(graph_);
  }

 private:
  Node& add(Op op, std::string path, std::vector<int> inputs) {
    Node node;
    node.op = op;
    node.path = std::move(path);
    node.in_channels = node.out_channels = graph_.nodes[inputs[0]].out_channels;
    node.inputs = std::move(inputs);
    node.stage = stage_;
    node.block = block_;
    return graph_.nodes.emplace_back(std::move(node));
  }

  int last() const { return static_cast<int>(graph_.nodes.size()) - 1; }

  // Padding keeps the size: kernel / 2, times the dilation.
  int conv(const std::string& path, int x, int channels, Window window) {
    Node& node = add(Op::kConv, path, {x});
    node.out_channels = channels;
    node.kernel = window.kernel;
    node.stride = window.stride;
    node.dilation = window.dilation;
    node.groups = window.groups;
    node.padding = window.kernel / 2 * window.dilation;
    node.bias = a_.conv_bias;
    return last();
  }

  int batch_norm(const std::string& path, int x) {
    add(Op::kBatchNorm, path, {x}).epsilon = static_cast<float>(a_.bn_eps);
    return last();
  }

  int activate(const std::string& path, int x) {
    Node& node = add(Op::kActivation, path, {x});
    node.activation = a_.activation;
    node.negative_slope = static_cast<float>(a_.negative_slope);
    return last();
  }

  int pool(Op op, const std::string& path, int x, Window window = {1}, int padding = 0, bool ceil_mode = false) {
    Node& node = add(op, path, {x});
    node.kernel = window.kernel;
    node.stride = window.stride;
    node.padding = padding;
    node.ceil_mode = ceil_mode;
    return last();
  }

  int stem() {
    int x = 0;
    const Window first = {a_.first_kernel(), a_.first_stride()};
    switch (a_.stem) {
      case Stem::kImageNet:
      case Stem::kCifar: x = conv("conv1", x, a_.stem_width, first); break;
      case Stem::kDeep:
        x = activate("conv1.2", batch_norm("conv1.1", conv("conv1.0", x, a_.stem_width / 2, first)));
        x = activate("conv1.5", batch_norm("conv1.4", conv("conv1.3", x, a_.stem_width / 2, {3})));
        x = conv("conv1.6", x, a_.stem_width, {3});
        break;
    }
    return stem_pool(activate("relu", batch_norm("bn1", x)));
  }

  // Enough padding for windows that begin a stride apart to cover the picture.
  int blur(const std::string& path, int x, int stride) {
    return pool(Op::kBlur, path, x, {3, stride}, (stride + 1) / 2);
  }

  // What strides behind a 3x3 that has stride 1 instead of `stride`. Blurs stand also where the dilation changes.
  int antialias(const std::string& path, int x, int stride, bool dilates) {
    switch (a_.antialias) {
      case Antialias::kNone: break;
      case Antialias::kAverage:
        if (stride > 1) return pool(Op::kAveragePool, path + "aa", x, {stride, stride});
        break;
      case Antialias::kBlur:
        if (stride > 1 || dilates) return blur(path + "aa", x, stride);
        break;
    }
    return x;
  }

  // The stride that a 3x3 keeps for itself.
  int own(int stride) const { return a_.antialias == Antialias::kNone ? stride : 1; }

  int stem_pool(int x) {
    switch (a_.last_pool()) {
      case StemPool::kUsual:
      case StemPool::kNone: break;
      case StemPool::kMax: return pool(Op::kMaxPool, "maxpool", x, {3, 2}, 1);
      case StemPool::kMaxCeil: return pool(Op::kMaxPool, "maxpool", x, {3, 2}, 0, /*ceil_mode=*/true);
      case StemPool::kMax2: return pool(Op::kMaxPool, "maxpool", x, {2, 2});
      case StemPool::kAverage2: return pool(Op::kAveragePool, "maxpool", x, {2, 2});
      case StemPool::kMaxBlur: return blur("maxpool.1", pool(Op::kMaxPool, "maxpool.0", x, {3, 1}, 1), 2);
    }
    return x;
  }

  // F(x) + shortcut(x), then the activation (equation 1 and 2). `first_dilation` is that of the first 3x3.
  int block(int x, int in_channels, int stride, int first_dilation, int dilation) {
    const std::string path = fmt::format("layer{}.{}.", stage_ + 1, block_);
    const int width = a_.widths[stage_];
    const int out_channels = width * a_.expansion();
    int f = a_.block == Block::kBasic ? basic(path, x, stride, first_dilation, dilation)
                                      : bottleneck(path, x, stride, first_dilation, dilation);
    if (a_.shortcut != Shortcut::kNone) {
      const bool same_shape = stride == 1 && in_channels == out_channels;
      const int s = same_shape ? x : shortcut(path, x, out_channels, stride);
      add(Op::kAdd, "", {f, s});
      f = last();
    }
    return activate(path + "relu", f);
  }

  int basic(const std::string& path, int x, int stride, int first_dilation, int dilation) {
    const int width = a_.widths[stage_];
    x = conv(path + "conv1", x, width, {3, own(stride), first_dilation});
    x = activate(path + "relu", batch_norm(path + "bn1", x));
    x = antialias(path, x, stride, first_dilation != dilation);
    x = conv(path + "conv2", x, width, {3, 1, dilation});
    return batch_norm(path + "bn2", x);
  }

  int bottleneck(const std::string& path, int x, int stride, int first_dilation, int dilation) {
    const int width = a_.widths[stage_];
    const int inner = width * a_.width_per_group / 64 * a_.groups;
    const int stride1 = a_.stride_on_first ? stride : 1;
    const int stride2 = a_.stride_on_first ? 1 : stride;
    x = conv(path + "conv1", x, inner, {1, stride1});
    x = activate(path + "relu", batch_norm(path + "bn1", x));
    x = conv(path + "conv2", x, inner, {3, own(stride2), first_dilation, a_.groups});
    x = activate(path + "relu", batch_norm(path + "bn2", x));
    x = antialias(path, x, stride2, first_dilation != dilation);
    x = conv(path + "conv3", x, width * a_.expansion(), {1});
    return batch_norm(path + "bn3", x);
  }

  int shortcut(const std::string& block_path, int x, int channels, int stride) {
    const std::string path = block_path + (a_.layout == Layout::kTutorial ? "identity_downsample" : "downsample");
    switch (a_.shortcut) {
      case Shortcut::kPadding: {
        Node& node = add(Op::kPadShortcut, path, {x});
        node.out_channels = channels;
        node.stride = stride;
        return last();
      }
      case Shortcut::kAveragePool:
        if (stride > 1) x = pool(Op::kAveragePool, path + ".0", x, {stride, stride}, 0, /*ceil_mode=*/true);
        return batch_norm(path + ".2", conv(path + ".1", x, channels, {1}));
      case Shortcut::kProjection:
      case Shortcut::kNone: break;
    }
    return batch_norm(path + ".1", conv(path + ".0", x, channels, {1, stride}));
  }

  int head_pool(int x) {
    if (a_.head_pool == HeadPool::kAverage) return pool(Op::kGlobalAveragePool, "avgpool", x);
    const int mean = pool(Op::kGlobalAveragePool, "avgpool.ap", x);
    const int largest = pool(Op::kGlobalMaxPool, "avgpool.mp", x);
    const bool mean_first = a_.head_pool == HeadPool::kAverageMax;
    Node& both = add(Op::kConcat, "avgpool", {mean_first ? mean : largest, mean_first ? largest : mean});
    both.out_channels = 2 * both.in_channels;
    return last();
  }

  void linear(const std::string& path, int x, int channels) {
    Node& node = add(Op::kLinear, path, {x});
    node.out_channels = channels;
    node.bias = true;
  }

  // Several linear layers are a Sequential in which each has an even number, whatever stands between them.
  void head(int x) {
    if (a_.head_widths.empty()) return linear("fc", x, a_.classes);
    int number = 0;
    for (const int width : a_.head_widths) {
      linear(fmt::format("fc.{}", number), x, width);
      x = last();
      if (a_.head_activation != HeadActivation::kNone) {
        x = activate(fmt::format("fc.{}", number + 1), x);
        graph_.nodes.back().activation = static_cast<Activation>(a_.head_activation);
      }
      number += 2;
    }
    linear(fmt::format("fc.{}", number), x, a_.classes);
  }

  const Architecture a_;
  Graph graph_;
  int stage_ = -1;
  int block_ = -1;
};

}  // namespace

Graph expand(const Architecture& architecture) {
  validate(architecture);
  return Builder(architecture).build();
}

}  // namespace resnet
