#include "weights/network_names.h"

#include <algorithm>
#include <charconv>

namespace resnet {
namespace {

constexpr BlockPlace kBlockPlaces[] = {
    {"layer#.#.", 1, 0, "torchvision"},
    {"layers.#.#.", kLowest, 0, "NVIDIA"},
    {"encoder.stages.#.layers.#.", 0, 0, "Hugging Face"},
    {"res#.#.", 2, 0, "detectron2"},
    {"res#_#_", 2, 0, "Detectron"},
    {"conv#_x.#.", 2, 0, "weiaicunzai"},
    {"stage#.unit#.", 1, 1, "pytorchcv"},
    {"#.#.", kLowest, 0, "nn.Sequential"},
    {"stage#.#.", kLowest, kLowest, "stage"},
    {"stage_#.#.", kLowest, kLowest, "stage"},
    {"stages.#.#.", kLowest, kLowest, "stage"},
    {"stages.#.blocks.#.", kLowest, kLowest, "stage"},
    {"stages.#.layers.#.", kLowest, kLowest, "stage"},
    {"stage#.block#.", kLowest, kLowest, "stage"},
    {"stage#.blocks.#.", kLowest, kLowest, "stage"},
    {"layer_#.#.", kLowest, kLowest, "layer"},
    {"layer#.block#.", kLowest, kLowest, "layer"},
    {"layer#.blocks.#.", kLowest, kLowest, "layer"},
    {"layer#.layers.#.", kLowest, kLowest, "layer"},
    {"layers#.#.", kLowest, kLowest, "layer"},
    {"layers.#.blocks.#.", kLowest, kLowest, "layer"},
    {"block#.#.", kLowest, kLowest, "block"},
    {"block_#.#.", kLowest, kLowest, "block"},
    {"blocks.#.#.", kLowest, kLowest, "block"},
    {"blocks#.#.", kLowest, kLowest, "block"},
    {"group#.#.", kLowest, kLowest, "group"},
    {"groups.#.#.", kLowest, kLowest, "group"},
    {"conv#.#.", kLowest, kLowest, "conv"},
};

constexpr BlockPart kBlockParts[] = {
    {"conv#.norm.", PartKind::kNorm},
    {"conv#.bn.", PartKind::kNorm},
    {"conv#.conv.", PartKind::kConv},
    {"conv#.0.", PartKind::kConv},
    {"conv#.1.", PartKind::kNorm},
    {"conv#.", PartKind::kConv},
    {"bn#.", PartKind::kNorm},
    {"conv_#.", PartKind::kConv},
    {"bn_#.", PartKind::kNorm},
    {"norm#.", PartKind::kNorm},
    {"norm_#.", PartKind::kNorm},
    {"batchnorm#.", PartKind::kNorm},
    {"batch_norm#.", PartKind::kNorm},
    {"batch_norm_#.", PartKind::kNorm},
    {"body.conv#.conv.", PartKind::kConv},
    {"body.conv#.bn.", PartKind::kNorm},
    {"layer.#.convolution.", PartKind::kConv, 0},
    {"layer.#.normalization.", PartKind::kNorm, 0},
    {"branch2@_bn_", PartKind::kNorm},
    {"branch2@_", PartKind::kConv},
    {"branch2@.", PartKind::kConv},
    {"residual_function.#.", PartKind::kSequence},
    {"body.#.", PartKind::kSequence},
    {"block.#.", PartKind::kSequence},
    {"left.#.", PartKind::kSequence},
    {"net.#.", PartKind::kSequence},
    {"main.#.", PartKind::kSequence},
    {"layers.#.", PartKind::kSequence},
    {"conv.#.", PartKind::kSequence},
    {"conv_block.#.", PartKind::kSequence},
    {"double_conv.#.", PartKind::kSequence},
    {"branch1_bn_", PartKind::kShortcutNorm},
    {"branch1_", PartKind::kShortcutConv},
    {"downsample.#.", PartKind::kShortcutSequence},
    {"downsample.conv.", PartKind::kShortcutConv},
    {"downsample.bn.", PartKind::kShortcutNorm},
    {"downsample.norm.", PartKind::kShortcutNorm},
    {"identity_downsample.#.", PartKind::kShortcutSequence},
    {"i_downsample.#.", PartKind::kShortcutSequence},
    {"shortcut.#.", PartKind::kShortcutSequence},
    {"shortcut.convolution.", PartKind::kShortcutConv},
    {"shortcut.normalization.", PartKind::kShortcutNorm},
    {"shortcut.conv.", PartKind::kShortcutConv},
    {"shortcut.bn.", PartKind::kShortcutNorm},
    {"shortcut.norm.", PartKind::kShortcutNorm},
    {"shortcut.", PartKind::kShortcutConv},
    {"shortcut_conv.", PartKind::kShortcutConv},
    {"shortcut_bn.", PartKind::kShortcutNorm},
    {"identity_conv.conv.", PartKind::kShortcutConv},
    {"identity_conv.bn.", PartKind::kShortcutNorm},
    {"skip.#.", PartKind::kShortcutSequence},
    {"skip.conv.", PartKind::kShortcutConv},
    {"skip.bn.", PartKind::kShortcutNorm},
    {"skip_connection.#.", PartKind::kShortcutSequence},
    {"projection.#.", PartKind::kShortcutSequence},
    {"proj.#.", PartKind::kShortcutSequence},
    {"right.#.", PartKind::kShortcutSequence},
};

// Three convolutions first: the first part of their names is also one convolution's.
constexpr StemForm kStemForms[] = {
    {{{{"conv1.0.", "conv1.1."}, {"conv1.3.", "conv1.4."}, {"conv1.6.", "bn1."}}}},
    {{{{"stem.0.", "stem.1."}, {"stem.3.", "stem.4."}, {"stem.6.", "stem.7."}}}},
    {{{{"0.0.", "0.1."}, {"0.3.", "0.4."}, {"0.6.", "1."}}}},
    {{{{"layer0.0.", "layer0.1."}, {"layer0.3.", "layer0.4."}, {"layer0.6.", "layer0.7."}}}},
    {{{{"init_block.conv1.conv.", "init_block.conv1.bn."},
       {"init_block.conv2.conv.", "init_block.conv2.bn."},
       {"init_block.conv3.conv.", "init_block.conv3.bn."}}}},
    {{{{"stem.conv1.", "stem.conv1.norm."}, {"stem.conv2.", "stem.conv2.norm."}, {"stem.conv3.", "stem.conv3.norm."}}}},
    {{{{"conv1.", "bn1."}, {"conv2.", "bn2."}, {"conv3.", "bn3."}}}},
    {{{{"conv1.", "bn1."}}}},
    {{{{"conv1.conv.", "conv1.bn."}}}},
    {{{{"conv1.0.", "conv1.1."}}}},
    {{{{"conv1_", "res_conv1_bn_"}}}},
    {{{{"conv1.", "norm1."}}}},
    {{{{"conv_1.", "bn_1."}}}},
    {{{{"embedder.embedder.convolution.", "embedder.embedder.normalization."}}}},
    {{{{"stem.conv1.", "stem.conv1.norm."}}}},
    {{{{"stem.conv1.", "stem.bn1."}}}},
    {{{{"stem.conv.", "stem.bn."}}}},
    {{{{"stem.conv.", "stem.norm."}}}},
    {{{{"stem.0.", "stem.1."}}}},
    {{{{"init_block.conv.conv.", "init_block.conv.bn."}}}},
    {{{{"init_block.conv.", "init_block.bn."}}}},
    {{{{"layer0.0.", "layer0.1."}}}},
    {{{{"layer0.conv1.", "layer0.bn1."}}}},
    {{{{"conv_stem.", "bn1."}}}},
    {{{{"conv0.", "bn0."}}}},
    {{{{"conv.", "bn."}}}},
    {{{{"pre.0.", "pre.1."}}}},
    {{{{"0.", "1."}}}},
    {{{{"0.0.", "0.1."}}}},
};

struct LeafName {
  std::string_view leaf, plain;
};
constexpr LeafName kLeaves[] = {
    {"weight", "weight"},
    {"bias", "bias"},
    {"running_mean", "running_mean"},
    {"running_var", "running_var"},
    {"num_batches_tracked", "num_batches_tracked"},
    {"gamma", "weight"},
    {"beta", "bias"},
    {"moving_mean", "running_mean"},
    {"moving_var", "running_var"},
    {"w", "weight"},
    {"s", "affine_weight"},  // Caffe2's scale, which may stand without statistics
    {"b", "bias"},
    {"rm", "running_mean"},
    {"riv", "running_var"},
    {"weight_orig", "weight_orig"},
    {"weight_mask", "weight_mask"},
    {"bias_orig", "bias_orig"},
    {"bias_mask", "bias_mask"},
    {"weight_g", "weight_g"},
    {"weight_v", "weight_v"},
    {"weight_u", "weight_u"},
    {"parametrizations.weight.original", "parametrizations.weight.original"},
    {"parametrizations.weight.original0", "weight_g"},
    {"parametrizations.weight.original1", "weight_v"},
    {"parametrizations.weight.0._u", "weight_u"},
    {"parametrizations.weight.0._v", "weight_v"},
    {"weight_scale", "weight_scale"},
    {"output_scale", "output_scale"},
    {"output_zero_point", "output_zero_point"},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::span<const BlockPlace> block_places() { return kBlockPlaces; }
std::span<const BlockPart> block_parts() { return kBlockParts; }
std::span<const StemForm> stem_forms() { return kStemForms; }

std::optional<NameMatch> match_name(std::string_view pattern, std::string_view name) noexcept {
  NameMatch match;
  std::size_t number = 0;
  const char* place = name.data();
  const char* const end = place + name.size();
  for (const char expected : pattern) {
    if (place == end) return std::nullopt;
    if (expected == '#') {
      if (!is_digit(*place)) return std::nullopt;
      const auto [behind, error] = std::from_chars(place, end, match.numbers[number++]);
      if (error != std::errc()) return std::nullopt;
      place = behind;
    } else if (expected == '@') {
      if (*place < 'a' || *place > 'z') return std::nullopt;
      match.numbers[number++] = *place++ - 'a' + 1;
    } else if (*place++ != expected) {
      return std::nullopt;
    }
  }
  match.rest = {place, static_cast<std::size_t>(end - place)};
  return match;
}

std::string_view known_leaf(std::string_view leaf) noexcept {
  const auto* const found =
      std::find_if(std::begin(kLeaves), std::end(kLeaves), [&](const LeafName& known) { return known.leaf == leaf; });
  return found == std::end(kLeaves) ? std::string_view() : found->plain;
}

std::optional<PartMatch> match_part(std::string_view name) noexcept {
  for (const BlockPart& part : kBlockParts) {
    const auto match = match_name(part.pattern, name);
    if (!match) continue;
    const std::string_view leaf = known_leaf(match->rest);
    if (!leaf.empty()) return PartMatch{&part, match->numbers[0], leaf};
  }
  return std::nullopt;
}

}  // namespace resnet
