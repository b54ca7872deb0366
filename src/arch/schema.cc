#include "arch/schema.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"

namespace resnet {
namespace {

// In the order of the enumerations.
constexpr std::array<std::string_view, 2> kBlocks = {"basic", "bottleneck"};
constexpr std::array<std::string_view, 4> kShortcuts = {"projection", "padding", "average_pool", "none"};
constexpr std::array<std::string_view, 3> kStems = {"imagenet", "deep", "cifar"};
constexpr std::array<std::string_view, 7> kStemPools = {"usual",   "none",        "max",     "max_ceil",
                                                        "max_2x2", "average_2x2", "max_blur"};
constexpr std::array<std::string_view, 3> kAntialiases = {"none", "average", "blur"};
constexpr std::array<std::string_view, 6> kActivations = {"relu", "leaky_relu", "relu6", "silu", "gelu", "hardswish"};
constexpr std::array<std::string_view, 3> kHeadPools = {"average", "average_max", "max_average"};
constexpr std::array<std::string_view, 7> kHeadActivations = {"relu", "leaky_relu", "relu6", "silu",
                                                              "gelu", "hardswish",  "none"};
constexpr std::array<std::string_view, 2> kLayouts = {"torchvision", "tutorial"};

constexpr ArchitectureField::Range kChannels = {1, 65'536};

std::string tell_shortcut(const Architecture& a) {
  switch (a.shortcut) {
    case Shortcut::kProjection: break;
    case Shortcut::kPadding: return "padding shortcuts";
    case Shortcut::kAveragePool: return "average-pooled shortcuts";
    case Shortcut::kNone: return "no shortcuts";
  }
  return "";
}

std::string tell_stem_pool(const Architecture& a) {
  switch (a.stem_pool) {
    case StemPool::kUsual: break;
    case StemPool::kNone: return "no pooling in the stem";
    case StemPool::kMax: return "3x3 max pooling in the stem";
    case StemPool::kMaxCeil: return "3x3 max pooling without padding in the stem";
    case StemPool::kMax2: return "2x2 max pooling in the stem";
    case StemPool::kAverage2: return "2x2 average pooling in the stem";
    case StemPool::kMaxBlur: return "3x3 max pooling and a blur in the stem";
  }
  return "";
}

std::string tell_antialias(const Architecture& a) {
  switch (a.antialias) {
    case Antialias::kNone: break;
    case Antialias::kAverage: return "anti-aliased by averages";
    case Antialias::kBlur: return "anti-aliased by blurs";
  }
  return "";
}

std::string tell_head_pool(const Architecture& a) {
  switch (a.head_pool) {
    case HeadPool::kAverage: break;
    case HeadPool::kAverageMax: return "average and max pooling before the head";
    case HeadPool::kMaxAverage: return "max and average pooling before the head";
  }
  return "";
}

std::string tell_head_widths(const Architecture& a) {
  if (a.head_widths.empty()) return "";
  const bool usual = a.head_activation == HeadActivation::kRelu;
  return fmt::format("head of {} linear layers{}", a.head_widths.size() + 1,
                     usual ? "" : fmt::format(" ({} between them)", name(a.head_activation)));
}

std::string tell_groups(const Architecture& a) {
  if (a.groups > 1) return fmt::format("{} groups of width {}", a.groups, a.width_per_group);
  return a.width_per_group == 64 ? "" : fmt::format("3x3 width x {:g}", a.width_per_group / 64.0);
}

const std::vector<ArchitectureField>& table() {
  static const std::vector<ArchitectureField> kFields = {
      {.name = "block",
       .member = enum_member<&Architecture::block>(kBlocks),
       .help = "basic or bottleneck",
       .rank = FieldRank::kForm,
       .renames = true,
       .recipe_help = "Its blocks instead: basic or bottleneck"},
      {.name = "depths",
       .member = &Architecture::depths,
       .help = "Blocks in each stage, such as 3,4,6,3",
       .range = {{1, 2000}},
       .rank = FieldRank::kForm,
       .renames = true,
       .recipe_help = "Blocks in each stage"},
      {.name = "widths",
       .member = &Architecture::widths,
       .help = "Channels of each stage (64,128,256,512); before a bottleneck's expansion",
       .range = kChannels,
       .rank = FieldRank::kForm,
       .renames = true,
       .recipe_help = "Channels of each stage"},
      {.name = "groups",
       .member = &Architecture::groups,
       .help = "Groups of a bottleneck's 3x3 convolution (1)",
       .range = kChannels,
       .renames = true,
       .recipe_help = "Groups of a bottleneck's 3x3 (0: the architecture's)",
       .told = tell_groups},
      {.name = "width_per_group",
       .member = &Architecture::width_per_group,
       .help = "Its channels are width * this / 64 * groups (64)",
       .range = kChannels,
       .renames = true,
       .recipe_help = "Its channels are width * this / 64 * groups (0)"},
      {.name = "stem",
       .member = enum_member<&Architecture::stem>(kStems),
       .help = "imagenet (7x7 /2, pooling), deep (three 3x3, the first /2, pooling) or cifar (one 3x3)",
       .renames = true,
       .recipe_help = "imagenet, deep or cifar"},
      {.name = "stem_kernel",
       .member = &Architecture::stem_kernel,
       .help = "Kernel of the stem's first convolution, odd (0: 7 of imagenet, 3 of the others)",
       .range = {{0, 31}},
       .renames = true,
       .later = true,
       .recipe_help = "Kernel of the stem's first convolution, odd (0: the stem's)",
       .told =
           [](const Architecture& a) { return a.stem_kernel == 0 ? "" : fmt::format("{0}x{0} stem", a.stem_kernel); }},
      {.name = "stem_stride",
       .member = &Architecture::stem_stride,
       .help = "Stride of the stem's first convolution (0: 1 of cifar, 2 of the others)",
       .range = {{0, 8}},
       .later = true,
       .recipe_help = "Stride of the stem's first convolution (0: the stem's)",
       .told =
           [](const Architecture& a) {
             return a.stem_stride == 0 ? "" : fmt::format("stem stride {}", a.stem_stride);
           }},
      {.name = "stem_pool",
       .member = enum_member<&Architecture::stem_pool>(kStemPools),
       .help = "Pooling behind the stem's convolutions: usual (max, or as anti-aliasing has it; none of cifar), none, "
               "max (3x3 /2), max_ceil (3x3 /2 without padding, ceil mode), max_2x2, average_2x2 (both /2) or max_blur "
               "(3x3, then a blur /2)",
       .later = true,
       .recipe_help = "usual, none, max, max_ceil, max_2x2, average_2x2 or max_blur",
       .told = tell_stem_pool},
      {.name = "stem_width",
       .member = &Architecture::stem_width,
       .help = "Channels that enter the first stage (the first width)",
       .range = kChannels,
       .recipe_help = "Channels that enter the first stage (0)"},
      {.name = "shortcut",
       .member = enum_member<&Architecture::shortcut>(kShortcuts),
       .help = "projection, padding (option A), average_pool or none (a plain network)",
       .recipe_help = "projection, padding, average_pool or none (a plain network)",
       .told = tell_shortcut},
      {.name = "channels",
       .member = &Architecture::in_channels,
       .help = "Channels of the input (3)",
       .range = kChannels,
       .key = "in_channels",
       .rank = FieldRank::kForm},
      {.name = "classes",
       .member = &Architecture::classes,
       .help = "Outputs (1000); 0: a backbone, which has no head and gives features",
       .range = {{0, 10'000'000}},
       .rank = FieldRank::kForm,
       .told = [](const Architecture& a) { return std::string(a.classes == 0 ? "no head" : ""); }},
      {.name = "stride_on_first",
       .member = &Architecture::stride_on_first,
       .help = "A bottleneck strides on its first 1x1 (the paper), not on its 3x3",
       .recipe_help = "A bottleneck strides on its first 1x1 (the paper), not on its 3x3",
       .told = [](const Architecture& a) { return std::string(a.stride_on_first ? "stride on the first 1x1" : ""); }},
      {.name = "conv_bias", .member = &Architecture::conv_bias, .help = "Convolutions have biases"},
      {.name = "dilated_stages",
       .member = &Architecture::dilated_stages,
       .help = "So many of the last stages dilate instead of striding (0)",
       .recipe_help = "So many of the last stages dilate instead of striding (0)",
       .told =
           [](const Architecture& a) {
             return a.dilated_stages == 0 ? "" : fmt::format("last {} dilated", a.dilated_stages);
           }},
      {.name = "strides",
       .member = &Architecture::strides,
       .help = "Stride of each stage, such as 1,2,2,1 (1, then 2 in every other)",
       .range = {{1, 8}},
       .later = true,
       .recipe_help = "Stride of each stage",
       .told =
           [](const Architecture& a) {
             return a.strides.empty() ? "" : fmt::format("strides {}", fmt::join(a.strides, "-"));
           }},
      {.name = "antialias",
       .member = enum_member<&Architecture::antialias>(kAntialiases),
       .help = "What strides behind a 3x3 convolution in its place: none, average or blur",
       .later = true,
       .recipe_help = "none, average or blur",
       .told = tell_antialias},
      {.name = "bn_eps",
       .member = &Architecture::bn_eps,
       .help = "What batch norms add to variances (1e-05)",
       .range = {{1e-12, 1.0}},
       .later = true,
       .recipe_help = "What batch norms add to variances (0: 1e-05)",
       .told =
           [](const Architecture& a) {
             return a.bn_eps == Architecture().bn_eps ? "" : fmt::format("batch norm eps {:g}", a.bn_eps);
           }},
      {.name = "activation",
       .member = enum_member<&Architecture::activation>(kActivations),
       .help = "relu, leaky_relu, relu6, silu, gelu or hardswish",
       .later = true,
       .recipe_help = "relu, leaky_relu, relu6, silu, gelu or hardswish",
       .told =
           [](const Architecture& a) {
             return a.activation == Activation::kRelu ? "" : std::string(name(a.activation));
           }},
      {.name = "negative_slope",
       .member = &Architecture::negative_slope,
       .help = "Of leaky_relu (0.01)",
       .range = {{1e-6, 1.0}},
       .later = true,
       .recipe_help = "Of leaky_relu (0: 0.01)",
       .told =
           [](const Architecture& a) {
             return a.has_leaky_relu() ? fmt::format("slope {:g} below zero", a.negative_slope) : "";
           }},
      {.name = "head_pool",
       .member = enum_member<&Architecture::head_pool>(kHeadPools),
       .help = "What the head reads of each channel: average, average_max or max_average (both, in this order)",
       .later = true,
       .recipe_help = "average, average_max or max_average",
       .told = tell_head_pool},
      {.name = "head_widths",
       .member = &Architecture::head_widths,
       .help = "Outputs of the head's linear layers before the last one, such as 512",
       .range = kChannels,
       .later = true,
       .recipe_help = "Outputs of the head's linear layers before the last one",
       .told = tell_head_widths},
      {.name = "head_activation",
       .member = enum_member<&Architecture::head_activation>(kHeadActivations),
       .help = "Between the head's linear layers: relu, leaky_relu, relu6, silu, gelu, hardswish or none",
       .later = true,
       .recipe_help = "relu, leaky_relu, relu6, silu, gelu, hardswish or none"},
      {.name = "layout",
       .member = enum_member<&Architecture::layout>(kLayouts),
       .help = "Names and order of modules: torchvision or tutorial",
       .rank = FieldRank::kNaming},
  };
  return kFields;
}

std::string refusal(std::string_view text, std::span<const std::string_view> names) {
  return fmt::format("'{}' is not one of {}", text, fmt::join(names, ", "));
}

template <typename Enum>
Enum parse(std::string_view text, const char* what, std::span<const std::string_view> names) {
  const auto place = std::find(names.begin(), names.end(), text);
  if (place == names.end()) fail(ErrorCode::kInvalidArgument, what, "{}", refusal(text, names));
  return static_cast<Enum>(place - names.begin());
}

}  // namespace

std::string_view name(Block value) noexcept { return kBlocks[static_cast<std::size_t>(value)]; }
std::string_view name(Shortcut value) noexcept { return kShortcuts[static_cast<std::size_t>(value)]; }
std::string_view name(Stem value) noexcept { return kStems[static_cast<std::size_t>(value)]; }
std::string_view name(StemPool value) noexcept { return kStemPools[static_cast<std::size_t>(value)]; }
std::string_view name(Antialias value) noexcept { return kAntialiases[static_cast<std::size_t>(value)]; }
std::string_view name(Activation value) noexcept { return kActivations[static_cast<std::size_t>(value)]; }
std::string_view name(HeadPool value) noexcept { return kHeadPools[static_cast<std::size_t>(value)]; }
std::string_view name(HeadActivation value) noexcept { return kHeadActivations[static_cast<std::size_t>(value)]; }
std::string_view name(Layout value) noexcept { return kLayouts[static_cast<std::size_t>(value)]; }

Block parse_block(std::string_view text) { return parse<Block>(text, "block", kBlocks); }
Shortcut parse_shortcut(std::string_view text) { return parse<Shortcut>(text, "shortcut", kShortcuts); }
Stem parse_stem(std::string_view text) { return parse<Stem>(text, "stem", kStems); }
StemPool parse_stem_pool(std::string_view text) { return parse<StemPool>(text, "stem_pool", kStemPools); }
Antialias parse_antialias(std::string_view text) { return parse<Antialias>(text, "antialias", kAntialiases); }
Activation parse_activation(std::string_view text) { return parse<Activation>(text, "activation", kActivations); }
HeadPool parse_head_pool(std::string_view text) { return parse<HeadPool>(text, "head_pool", kHeadPools); }
HeadActivation parse_head_activation(std::string_view text) {
  return parse<HeadActivation>(text, "head_activation", kHeadActivations);
}
Layout parse_layout(std::string_view text) { return parse<Layout>(text, "layout", kLayouts); }

std::span<const ArchitectureField> architecture_fields() { return table(); }

std::vector<const ArchitectureField*> listed_fields() {
  std::vector<const ArchitectureField*> fields;
  for (const ArchitectureField& field : table()) fields.push_back(&field);
  std::stable_sort(fields.begin(), fields.end(), [](const ArchitectureField* a, const ArchitectureField* b) {
    return std::pair(a->rank, is_switch(*a)) < std::pair(b->rank, is_switch(*b));
  });
  return fields;
}

FieldValue get(const ArchitectureField& field, const Architecture& architecture) {
  return std::visit(
      [&](const auto& member) -> FieldValue {
        if constexpr (std::is_same_v<std::decay_t<decltype(member)>, EnumMember<Architecture>>) {
          return std::string(member.name_in(architecture));
        } else {
          return architecture.*member;
        }
      },
      field.member);
}

void set(const ArchitectureField& field, Architecture& architecture, const FieldValue& value) {
  std::visit(
      [&](const auto& member) {
        if constexpr (std::is_same_v<std::decay_t<decltype(member)>, EnumMember<Architecture>>) {
          const auto& text = std::get<std::string>(value);
          if (member.set(architecture, text)) return;
          fail(ErrorCode::kInvalidArgument, std::string(field.name), "{}", refusal(text, member.names));
        } else {
          architecture.*member = std::get<std::decay_t<decltype(architecture.*member)>>(value);
        }
      },
      field.member);
}

std::span<const std::string_view> choices(const ArchitectureField& field) {
  return is_choice(field) ? std::get<EnumMember<Architecture>>(field.member).names
                          : std::span<const std::string_view>();
}

std::string flag_of(std::string_view name) {
  std::string flag = "--" + std::string(name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

void check_range(const ArchitectureField& field, const Architecture& architecture) {
  if (!field.range) return;
  const ArchitectureField::Range range = *field.range;
  const auto check = [&](double number, const char* what) {
    if (number >= range.min && number <= range.max) return;
    fail(ErrorCode::kInvalidArgument, std::string(field.name), "{} {} to {}", what, range.min, range.max);
  };
  std::visit(
      [&](const auto& value) {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_arithmetic_v<Value>) {
          check(value, "must be");
        } else if constexpr (!std::is_same_v<Value, std::string>) {
          for (const auto number : value) check(number, "each must be");
        }
      },
      get(field, architecture));
}

}  // namespace resnet
