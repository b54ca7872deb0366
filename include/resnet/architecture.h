// What a residual network is: a small value, and the catalog of the well-known ones.
//
// An Architecture says everything about the shape of a network and nothing about its weights. expand() in graph.h turns
// it into the list of operations that everything else reads.
//
// Sources: He et al. 2015, "Deep Residual Learning for Image Recognition" (arXiv:1512.03385): blocks, depths, plain
// networks, option A and B shortcuts. Xie et al. 2016 (arXiv:1611.05431): groups. Zagoruyko and Komodakis 2016
// (arXiv:1605.07146): width. He et al. 2018, "Bag of Tricks" (arXiv:1812.01187): the D variants.
#pragma once

#include <bitset>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace resnet {

// How a block computes F(x). Basic: 3x3, 3x3. Bottleneck: 1x1, 3x3, 1x1 to four times the width (section 4.1, figure
// 5).
enum class Block { kBasic, kBottleneck };

// What is added to F(x).
enum class Shortcut {
  kProjection,   // identity, or a 1x1 convolution where the shape changes (option B)
  kPadding,      // identity, or every second pixel and zeros for the new channels (option A; no parameters)
  kAveragePool,  // identity, or 2x2 average pooling and a 1x1 convolution (Bag of Tricks, figure 2c)
  kNone,         // nothing: the paper's plain networks
};

// What comes before the first stage. Of each, kernel, stride and pooling may be others (stem_kernel, ...).
enum class Stem {
  kImageNet,  // 7x7 of stride 2, then 3x3 max pooling of stride 2
  kDeep,      // three 3x3 convolutions, the first of stride 2, then the same pooling
  kCifar,     // one 3x3 convolution, no pooling
};

// The pooling that ends a stem.
enum class StemPool {
  kUsual,     // the stem's own
  kNone,      // none
  kMax,       // 3x3 max pooling of stride 2, a pixel of padding around the picture
  kMaxCeil,   // the same without padding; the last windows may be cut short (ceil mode)
  kMax2,      // 2x2 max pooling of stride 2
  kAverage2,  // 2x2 average pooling of stride 2
  kMaxBlur,   // 3x3 max pooling of stride 1, then a blur of stride 2
};

// How a 3x3 convolution that would stride avoids aliasing: it has stride 1, and behind its activation stands what
// strides. A stem that pools by its own choice does likewise. (Zhang 2019, arXiv:1904.11486; as timm has them.)
enum class Antialias {
  kNone,
  kAverage,  // average pooling of windows as wide as the stride
  kBlur,     // weights 1 2 1 by 1 2 1, the picture reflected at its edges
};

// What follows batch norms and additions; PyTorch's functions of these names.
enum class Activation {
  kRelu,
  kLeakyRelu,  // below zero x times Architecture::negative_slope
  kRelu6,      // cut to 0..6
  kSilu,       // x times the logistic function, also called Swish
  kGelu,       // x times the normal distribution's integral (exact, not the approximation by tanh)
  kHardswish,  // x relu6(x + 3) / 6
};

// What of the last stage's pixels the head reads.
enum class HeadPool {
  kAverage,     // the mean of each channel
  kAverageMax,  // the means, then the largest values: twice as many
  kMaxAverage,  // the largest values, then the means, as fastai has them
};

// What stands between the linear layers of a head: one of Activation, in its order, or nothing.
enum class HeadActivation { kRelu, kLeakyRelu, kRelu6, kSilu, kGelu, kHardswish, kNone };

// How the modules are named and ordered in a state dict and in the printed tree.
enum class Layout {
  kTorchvision,  // downsample.0/.1; convolutions without bias
  kTutorial,     // identity_downsample.0/.1; convolutions with bias; the block's class is called `block`
};

struct Architecture {
  std::string name = "resnet";  // of the catalog, or "resnet"

  Block block = Block::kBottleneck;
  std::vector<int> depths = {3, 4, 6, 3};         // blocks in each stage, 1 to 8 stages
  std::vector<int> widths = {64, 128, 256, 512};  // channels of each stage before the block's expansion
  int groups = 1;                                 // of the 3x3 convolution in a bottleneck
  int width_per_group = 64;                       // the 3x3's channels are width * width_per_group / 64 * groups

  Stem stem = Stem::kImageNet;
  int stem_width = 64;  // channels that enter the first stage
  int stem_kernel = 0;  // of the stem's first convolution, odd; 0: the stem's own
  int stem_stride = 0;  // likewise
  StemPool stem_pool = StemPool::kUsual;
  Shortcut shortcut = Shortcut::kProjection;

  int in_channels = 3;
  int classes = 1000;  // 0: a backbone, whose last values are the features
  HeadPool head_pool = HeadPool::kAverage;
  std::vector<int> head_widths;  // outputs of the linear layers before the last one; empty: there is one
  HeadActivation head_activation = HeadActivation::kRelu;  // between them

  bool stride_on_first = false;  // a bottleneck's stride on its first 1x1 (the paper) instead of its 3x3 (v1.5)
  bool conv_bias = false;        // convolutions have biases though batch norm follows
  int dilated_stages = 0;        // the last stages that dilate instead of striding: 0 to stages - 1
  Antialias antialias = Antialias::kNone;
  std::vector<int> strides;      // of each stage; empty: 1, then 2 in every other
  double bn_eps = 1e-5;          // what batch norms add to variances
  double negative_slope = 0.01;  // of kLeakyRelu, in blocks and head
  Activation activation = Activation::kRelu;

  Layout layout = Layout::kTorchvision;

  int expansion() const noexcept { return block == Block::kBottleneck ? 4 : 1; }
  int features() const {  // pooled, which the head reads
    return widths.back() * expansion() * (head_pool == HeadPool::kAverage ? 1 : 2);
  }
  int outputs() const { return classes > 0 ? classes : features(); }  // of a picture: logits, or a backbone's features

  // What the stem and the stages have, whether said or the usual.
  int first_kernel() const noexcept;
  int first_stride() const noexcept;
  StemPool last_pool() const noexcept;  // never kUsual
  int stride_of(int stage) const;       // from 0 on; of a stage that dilates, too

  // Whether an activation, of blocks or head, is a leaky ReLU.
  bool has_leaky_relu() const noexcept;

  bool operator==(const Architecture&) const = default;
};

struct ArchitectureField;  // a row of the table of fields (src/arch/schema.h)

// Fields of an architecture, each said or not: what is to be different from another one.
//
//   ArchitectureChanges changes;
//   changes.set(&Architecture::depths, {2, 2, 2, 2}).set(&Architecture::shortcut, Shortcut::kNone);
class ArchitectureChanges {
 public:
  // Of any member but the name.
  template <typename Value>
  ArchitectureChanges& set(Value Architecture::*member, std::type_identity_t<Value> value) {
    static_assert(!std::is_same_v<Value, std::string>, "the name follows from what is changed");
    values_.*member = std::move(value);
    said_.set(index_at(&(values_.*member)));
    return *this;
  }

  template <typename Value>
  std::optional<Value> get(Value Architecture::*member) const {
    return said_[index_at(&(values_.*member))] ? std::optional(values_.*member) : std::nullopt;
  }

  // The same for a row of the table; take() copies the value of another architecture.
  bool says(const ArchitectureField& field) const;
  void take(const ArchitectureField& field, const Architecture& from);
  void clear(const ArchitectureField& field);

  // What was said is as it was said, the rest the usual.
  const Architecture& values() const noexcept { return values_; }

  // Sets what was said; the rest stays, and nothing is checked.
  void apply_to(Architecture& architecture) const;

  bool operator==(const ArchitectureChanges& other) const;

 private:
  std::size_t index_at(const void* member_of_values) const;

  Architecture values_;
  std::bitset<64> said_;  // by the index of the field in the table
};

// "stem_pool=max strides=1,2,2,1 bn_eps=0.001": fields by the names of their flags, with _ for -, separated by spaces.
// Throws kInvalidArgument naming the field (and those near it) for a field or a value that is none.
ArchitectureChanges parse_changes(std::string_view text);

// The well-known networks, in the order in which they are listed to people.
std::span<const Architecture> catalog();

// By name; throws kNotFound, naming the nearest names.
const Architecture& find_architecture(std::string_view name);

// The network of the catalog, or the usual values where the name is empty, with changes. Widths that nobody said double
// from stage to stage: 64, 128, 256, ..., behind a CIFAR stem 16, 32, 64, ...; a stem that nobody spoke of is as wide
// as a first stage that was said. Not yet validated. Throws what find_architecture() throws.
Architecture choose(std::string_view name, const ArchitectureChanges& changes);

// The same network in one spelling: what is said, but is what would be there anyway (a CIFAR stem's kernel of 3,
// strides of 1, 2, 2, 2), is left unsaid. choose() gives this spelling.
Architecture plainly_said(Architecture architecture);

// `architecture` in the given layout. The tutorial's has biases on its convolutions; it knows only the ImageNet stem
// with projection shortcuts and one group (kUnsupported for others).
Architecture with_layout(Architecture architecture, Layout layout);

// Throws kInvalidArgument, naming the field, where the value describes no network (a depth of 0, groups that do not
// divide, more than 2,000 blocks, ...). expand() calls it.
void validate(const Architecture& architecture);

// "bottleneck", "projection", "imagenet", "torchvision", ...: as the command line and model files spell them.
std::string_view name(Block value) noexcept;
std::string_view name(Shortcut value) noexcept;
std::string_view name(Stem value) noexcept;
std::string_view name(StemPool value) noexcept;
std::string_view name(Antialias value) noexcept;
std::string_view name(Activation value) noexcept;
std::string_view name(HeadPool value) noexcept;
std::string_view name(HeadActivation value) noexcept;
std::string_view name(Layout value) noexcept;

// The reverse; throws kInvalidArgument naming the choices.
Block parse_block(std::string_view text);
Shortcut parse_shortcut(std::string_view text);
Stem parse_stem(std::string_view text);
StemPool parse_stem_pool(std::string_view text);
Antialias parse_antialias(std::string_view text);
Activation parse_activation(std::string_view text);
HeadPool parse_head_pool(std::string_view text);
HeadActivation parse_head_activation(std::string_view text);
Layout parse_layout(std::string_view text);

}  // namespace resnet
