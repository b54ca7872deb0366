#include "kernels/refusal.h"

namespace resnet {

std::string_view text(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::kNone: break;
    case Refusal::kOtherType: return "for values of another type";
    case Refusal::kLongWeights: return "sums of its products may leave 16 bits";
    case Refusal::kOtherOrderOfWeights: return "its weights are short in another order";
    case Refusal::kNot1x1: return "the window is not 1x1";
    case Refusal::kNot3x3: return "the window is not 3x3";
    case Refusal::kNot7x7: return "the window is not 7x7";
    case Refusal::kStrideNot1: return "the stride is not 1";
    case Refusal::kStrideNot2: return "the stride is not 2";
    case Refusal::kPadded: return "padded";
    case Refusal::kDilated: return "dilated";
    case Refusal::kGrouped: return "grouped";
    case Refusal::kPaddedInput: return "the input is padded to blocks of channels";
    case Refusal::kDenseInput: return "the input is not padded to blocks of channels";
    case Refusal::kOddInputBlocks: return "the input's channels do not halve";
    case Refusal::kOddOutputTiles: return "the output's channels do not halve";
    case Refusal::kFewPixels: return "so few pixels do not pay for weights that take more memory";
    case Refusal::kResidualInTurns: return "a residual, and sums that take several turns";
    case Refusal::kNothingShared: return "windows share nothing";
    case Refusal::kLongWindowRows: return "too many values in a window's row";
    case Refusal::kManyWeights: return "too many weights for the cache";
    case Refusal::kWideRows: return "rows too wide for the cache";
  }
  return "";
}

}  // namespace resnet
