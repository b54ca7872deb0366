// Random changes of normalised float tensors: erasing in one picture, mixing the pictures of a batch.
#pragma once

#include <cstddef>
#include <span>

#include "augment/augmentation.h"
#include "base/random.h"
#include "image/decoders.h"

namespace resnet {

// Where a picture's values lie: those of a pixel `channel` apart, those of neighbours in a row `column` apart, rows
// `row` apart.
struct Layout {
  int channels = 0;
  int height = 0;
  int width = 0;
  bool channels_last = false;

  std::size_t size() const noexcept {
    return static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  }
};

// torchvision's RandomErasing.get_params: ten tries at an area and a ratio; empty where none fits or the coin says no.
Window choose_erasing(const RandomErasing& erasing, int width, int height, Random& random);

// Zeros in the window of one picture.
void erase(std::span<float> picture, const Layout& layout, const Window& window);

// A draw from the symmetric Beta distribution (the ratio of two gamma variates; Marsaglia and Tsang 2000).
double draw_beta(double alpha, Random& random);

// Each picture becomes weight * itself + (1 - weight) * the one before it, the first one taking the last.
void mixup(std::span<float> pictures, const Layout& layout, double weight);

// torchvision's CutMix: the window that a weight asks for about a random centre, cut at the border. mixed_weight() is
// what is really left of a picture.
Window choose_cutmix(double weight, int width, int height, Random& random);
double mixed_weight(const Window& window, int width, int height);

// Each picture's window is filled from the picture before it, the first one's from the last.
void cutmix(std::span<float> pictures, const Layout& layout, const Window& window);

}  // namespace resnet
