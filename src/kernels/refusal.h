// Why an algorithm does not compute a convolution, as a value to compare and as a text for people.
#pragma once

#include <cstdint>
#include <string_view>

namespace resnet {

enum class Refusal : std::uint8_t {
  kNone,  // it computes it
  kOtherType,
  kLongWeights,
  kOtherOrderOfWeights,
  kNot1x1,
  kNot3x3,
  kNot7x7,
  kStrideNot1,
  kStrideNot2,
  kPadded,
  kDilated,
  kGrouped,
  kPaddedInput,
  kDenseInput,
  kOddInputBlocks,
  kOddOutputTiles,
  kFewPixels,
  kResidualInTurns,
  kNothingShared,
  kLongWindowRows,
  kManyWeights,
  kWideRows,
};

// "the window is not 3x3".
std::string_view text(Refusal refusal) noexcept;

}  // namespace resnet
