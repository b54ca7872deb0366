// The catalog of architectures, networks that differ from its own, and the checks on the general form.
#include <algorithm>
#include <numeric>

#include "arch/schema.h"
#include "base/error.h"
#include "base/nearest.h"
#include "resnet/architecture.h"

namespace resnet {
namespace {

Architecture imagenet(std::string name, Block block, std::vector<int> depths) {
  Architecture result;
  result.name = std::move(name);
  result.block = block;
  result.depths = std::move(depths);
  return result;
}

// Aggregated residual transformations: `groups` paths of `width` channels.
Architecture resnext(std::string name, std::vector<int> depths, int groups, int width) {
  Architecture result = imagenet(std::move(name), Block::kBottleneck, std::move(depths));
  result.groups = groups;
  result.width_per_group = width;
  return result;
}

Architecture deep_stem(std::string name, Block block, std::vector<int> depths) {
  Architecture result = imagenet(std::move(name), block, std::move(depths));
  result.stem = Stem::kDeep;
  result.shortcut = Shortcut::kAveragePool;
  return result;
}

Architecture plain(Architecture architecture) {
  architecture.name = "plain" + architecture.name.substr(architecture.name.find_first_of("0123456789"));
  architecture.shortcut = Shortcut::kNone;
  return architecture;
}

// Section 4.2: 6n + 2 layers, n basic blocks at 16, 32 and 64 channels.
Architecture cifar(int layers) {
  const int n = (layers - 2) / 6;
  Architecture result = imagenet(fmt::format("resnet{}", layers), Block::kBasic, {n, n, n});
  result.widths = {16, 32, 64};
  result.stem = Stem::kCifar;
  result.stem_width = 16;
  result.shortcut = Shortcut::kPadding;
  result.classes = 10;
  return result;
}

std::vector<Architecture> make_catalog() {
  using enum Block;
  return {
      imagenet("resnet18", kBasic, {2, 2, 2, 2}),
      imagenet("resnet34", kBasic, {3, 4, 6, 3}),
      imagenet("resnet50", kBottleneck, {3, 4, 6, 3}),
      imagenet("resnet101", kBottleneck, {3, 4, 23, 3}),
      imagenet("resnet152", kBottleneck, {3, 8, 36, 3}),
      resnext("resnext50_32x4d", {3, 4, 6, 3}, 32, 4),
      resnext("resnext101_32x8d", {3, 4, 23, 3}, 32, 8),
      resnext("resnext101_64x4d", {3, 4, 23, 3}, 64, 4),
      resnext("wide_resnet50_2", {3, 4, 6, 3}, 1, 128),
      resnext("wide_resnet101_2", {3, 4, 23, 3}, 1, 128),
      deep_stem("resnet18d", kBasic, {2, 2, 2, 2}),
      deep_stem("resnet34d", kBasic, {3, 4, 6, 3}),
      deep_stem("resnet50d", kBottleneck, {3, 4, 6, 3}),
      deep_stem("resnet101d", kBottleneck, {3, 4, 23, 3}),
      cifar(20),
      cifar(32),
      cifar(44),
      cifar(56),
      cifar(110),
      cifar(1202),
      plain(imagenet("resnet18", kBasic, {2, 2, 2, 2})),
      plain(imagenet("resnet34", kBasic, {3, 4, 6, 3})),
      plain(cifar(20)),
      plain(cifar(32)),
      plain(cifar(44)),
      plain(cifar(56)),
      plain(cifar(110)),
  };
}

void require(bool condition, const char* field, const char* message) {
  if (!condition) fail(ErrorCode::kInvalidArgument, field, "{}", message);
}

constexpr int kMaxStages = 8;
constexpr int kMaxBlocks = 2000;  // ResNet-1202 has 600; a graph of so many takes some megabytes
constexpr int kMaxChannels = 65536;
constexpr std::size_t kMaxHidden = 16;  // linear layers of a head before its last

bool within(std::int64_t value, int low, int high) { return low <= value && value <= high; }

std::vector<int> doubling_widths(std::size_t stages, Stem stem) {
  std::vector<int> widths;
  int width = stem == Stem::kCifar ? 16 : 64;
  for (std::size_t i = 0; i < stages; ++i, width *= 2) widths.push_back(width);
  return widths;
}

int usual_kernel(Stem stem) { return stem == Stem::kImageNet ? 7 : 3; }
int usual_stride(Stem stem) { return stem == Stem::kCifar ? 1 : 2; }
StemPool usual_pool(const Architecture& a) {
  if (a.stem == Stem::kCifar) return StemPool::kNone;
  switch (a.antialias) {
    case Antialias::kNone: break;
    case Antialias::kAverage: return StemPool::kAverage2;
    case Antialias::kBlur: return StemPool::kMaxBlur;
  }
  return StemPool::kMax;
}
int usual_stride(int stage) { return stage == 0 ? 1 : 2; }

bool has_usual_strides(const Architecture& a) {
  for (std::size_t stage = 0; stage < a.strides.size(); ++stage) {
    if (a.strides[stage] != usual_stride(static_cast<int>(stage))) return false;
  }
  return a.strides.size() == a.depths.size();
}

void check_block(const Architecture& a) {
  if (a.block == Block::kBasic) {
    require(a.groups == 1 && a.width_per_group == 64, "groups", "a basic block has no groups and no other width");
    require(!a.stride_on_first, "stride_on_first", "a basic block has no first 1x1 convolution");
  }
  for (const int width : a.widths) {
    const std::int64_t inner = static_cast<std::int64_t>(width) * a.width_per_group / 64 * a.groups;
    require(within(inner, 1, kMaxChannels), "width_per_group", "the 3x3 would have no channels, or over 65536");
  }
}

void check_head(const Architecture& a) {
  require(a.head_widths.size() <= kMaxHidden, "head_widths", "there must be at most 16");
  require(a.classes > 0 || (a.head_widths.empty() && a.head_pool == HeadPool::kAverage),
          a.head_widths.empty() ? "head_pool" : "head_widths", "a network without classes has no head");
  require(!a.head_widths.empty() || a.head_activation == HeadActivation::kRelu, "head_activation",
          "stands between linear layers, and without head_widths there is one");
}

void check_padding(const Architecture& a) {
  int channels = a.stem_width;
  for (const int width : a.widths) {
    const int out = width * a.expansion();
    require(out >= channels && (out - channels) % 2 == 0, "widths",
            "padding shortcuts need channels that grow by an even number from stage to stage");
    channels = out;
  }
}

void check_tutorial(const Architecture& a) {
  const bool fits = a.stem == Stem::kImageNet && a.shortcut == Shortcut::kProjection && a.groups == 1 &&
                    a.width_per_group == 64 && a.conv_bias;
  if (fits) return;
  fail(ErrorCode::kUnsupported, "layout",
       "the tutorial layout describes ResNet-18 to -152 and their like: "
       "ImageNet stem, projection shortcuts, one group, biases");
}

}  // namespace

int Architecture::first_kernel() const noexcept { return stem_kernel > 0 ? stem_kernel : usual_kernel(stem); }
int Architecture::first_stride() const noexcept { return stem_stride > 0 ? stem_stride : usual_stride(stem); }
StemPool Architecture::last_pool() const noexcept {
  return stem_pool == StemPool::kUsual ? usual_pool(*this) : stem_pool;
}
bool Architecture::has_leaky_relu() const noexcept {
  return activation == Activation::kLeakyRelu || head_activation == HeadActivation::kLeakyRelu;
}
int Architecture::stride_of(int stage) const {
  return strides.empty() ? usual_stride(stage) : strides[static_cast<std::size_t>(stage)];
}

Architecture plainly_said(Architecture a) {
  if (a.stem_kernel == usual_kernel(a.stem)) a.stem_kernel = 0;
  if (a.stem_stride == usual_stride(a.stem)) a.stem_stride = 0;
  if (a.stem_pool == usual_pool(a)) a.stem_pool = StemPool::kUsual;
  if (has_usual_strides(a)) a.strides.clear();
  return a;
}

std::span<const Architecture> catalog() {
  static const std::vector<Architecture> kCatalog = make_catalog();
  return kCatalog;
}

const Architecture& find_architecture(std::string_view name) {
  std::vector<std::string> names;
  for (const Architecture& architecture : catalog()) {
    if (architecture.name == name) return architecture;
    names.push_back(architecture.name);
  }
  const std::string near = did_you_mean(name, names, 3);
  fail(ErrorCode::kNotFound, fmt::format("architecture '{}'", name), "no such architecture{}",
       near.empty() ? fmt::format("; there are {}", fmt::join(names, ", ")) : near);
}

Architecture with_layout(Architecture architecture, Layout layout) {
  architecture.layout = layout;
  architecture.conv_bias = architecture.conv_bias || layout == Layout::kTutorial;
  validate(architecture);
  return architecture;
}

Architecture choose(std::string_view name, const ArchitectureChanges& changes) {
  Architecture a;
  if (!name.empty()) a = find_architecture(name);
  changes.apply_to(a);
  const auto says = [&](const ArchitectureField& field) { return field.renames && changes.says(field); };
  if (std::any_of(architecture_fields().begin(), architecture_fields().end(), says)) a.name = "resnet";
  const bool depths = changes.get(&Architecture::depths).has_value();
  const bool widths = changes.get(&Architecture::widths).has_value();
  if (!widths && (name.empty() || a.widths.size() != a.depths.size())) {
    a.widths = doubling_widths(std::min<std::size_t>(a.depths.size(), kMaxStages), a.stem);
  }
  if (!changes.get(&Architecture::stem_width) && (depths || widths) && !a.widths.empty()) {
    a.stem_width = a.widths.front();
  }
  return plainly_said(std::move(a));
}

void validate(const Architecture& a) {
  const auto stages = static_cast<int>(a.depths.size());
  require(within(stages, 1, kMaxStages), "depths", "there must be 1 to 8 stages");
  require(a.widths.size() == a.depths.size(), "widths", "there must be as many as there are depths");
  for (const ArchitectureField& field : architecture_fields()) check_range(field, a);
  require(std::accumulate(a.depths.begin(), a.depths.end(), 0) <= kMaxBlocks, "depths", "more than 2000 blocks");
  require(within(a.dilated_stages, 0, stages - 1), "dilated_stages", "must be 0 to the number of stages minus one");
  require(a.strides.empty() || a.strides.size() == a.depths.size(), "strides",
          "there must be as many as there are depths");
  require(a.stem_kernel == 0 || a.stem_kernel % 2 == 1, "stem_kernel", "must be odd, or 0");
  require(a.antialias == Antialias::kNone || !a.stride_on_first, "antialias",
          "stands behind 3x3 convolutions that stride, and stride_on_first leaves none");
  require(a.has_leaky_relu() || a.negative_slope == Architecture().negative_slope, "negative_slope",
          "is that of leaky_relu, another activation has none");
  check_block(a);
  check_head(a);
  require(a.stem != Stem::kDeep || a.stem_width % 2 == 0, "stem_width", "a deep stem needs an even width");
  if (a.shortcut == Shortcut::kPadding) check_padding(a);
  if (a.layout == Layout::kTutorial) check_tutorial(a);
}

}  // namespace resnet
