// How programs name the tensors of a residual network: tables of forms, one row each, and the reading of a name by
// them. A name is what stands before the network ("module.encoder_q."), where its block is, what it is in the block,
// and the leaf ("weight"). Any way to name blocks goes with any way to name what is inside, a shortcut and a stem.
//
// In patterns '#' is a number and '@' a letter that counts (a is 1).
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace resnet {

inline constexpr int kLowest = -1;  // numbers count from the lowest there is

// Where the blocks are: "layer#.#." is stage and block.
struct BlockPlace {
  std::string_view pattern;
  int first_stage;
  int first_block;
  std::string_view whose;  // for people
};

enum class PartKind {
  kConv,
  kNorm,
  kSequence,          // of an nn.Sequential: convolutions and norms count by themselves
  kShortcutConv,      // a shortcut's one convolution
  kShortcutNorm,      //
  kShortcutSequence,  // an nn.Sequential: what is not at its beginning stands behind an average pooling
};

// What is in a block: "conv#.".
struct BlockPart {
  std::string_view pattern;
  PartKind kind;
  int first = 1;  // the number of the first one
};

// The stem: one convolution and its norm, or three of each. Behind each path stand the leaves.
struct StemPart {
  std::string_view conv;
  std::string_view norm;
};
struct StemForm {
  std::array<StemPart, 3> parts;  // the second and third are empty for one convolution
  bool deep() const { return !parts[1].conv.empty(); }
};

std::span<const BlockPlace> block_places();
std::span<const BlockPart> block_parts();
std::span<const StemForm> stem_forms();

// The numbers in a name, and what is left behind the pattern.
struct NameMatch {
  std::array<int, 2> numbers = {};
  std::string_view rest;
};
std::optional<NameMatch> match_name(std::string_view pattern, std::string_view name) noexcept;

// Torchvision's word for a leaf ("w", "gamma" and "weight" are "weight"), or the leaf itself where it is one that makes
// weights plain (plain_weights.h) or int8 (program/quantized.h); empty for what is no leaf.
std::string_view known_leaf(std::string_view leaf) noexcept;

struct PartMatch {
  const BlockPart* part = nullptr;
  int number = 0;  // as it stands there
  std::string_view leaf;
};

// What a name is in its block; nothing where no row fits.
std::optional<PartMatch> match_part(std::string_view name) noexcept;

}  // namespace resnet
