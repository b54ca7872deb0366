// Pillow's antialiased resizing in parts: the weights along one axis, then a horizontal and a vertical pass over 8-bit
// pixels in 22-bit fixed point. Each output value depends only on its own weights, so any part of the result can be
// computed alone and has the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/isa.h"
#include "resnet/image.h"

namespace resnet {

inline constexpr int kWeightBits = 22;  // 8 bits of result, 2 for sums outside 0..255 by negative weights

// The weights for a run of neighbouring outputs along one axis.
struct Axis {
  std::vector<int> first;             // of the inputs that each output looks at
  std::vector<int> count;             // of them
  std::vector<std::int32_t> weights;  // `stride` per output, zeros behind `count`
  std::vector<std::int16_t> halves;   // the same, weight = 2048 * high + low: four highs, four lows, four highs, ...
  int stride = 0;                     // a multiple of four
  bool copies = false;                // nothing is resized: output i is input i

  int size() const { return static_cast<int>(first.size()); }
  int input_begin() const { return first.front(); }
  int input_end() const { return first.back() + count.back(); }
};

// Outputs `begin` to `end` of an axis that is resized from `in` to `out` pixels.
Axis make_axis(int in, std::int64_t out, Interpolation interpolation, std::int64_t begin, std::int64_t end);

// Pixels and their place in a picture.
struct View {
  std::span<const std::uint8_t> pixels;
  int width = 0;
  int height = 0;
  int channels = 0;
  int left = 0;
  int top = 0;
};

// All of a picture, whose first pixel stands at the place given.
View view_of(const ImageView& image, int left = 0, int top = 0);

// The work on single rows, for one instruction set. All sets give the same bytes.
struct ResampleKernels {
  // One output row of columns.size() pixels. `row` is the picture's first column, though memory may begin only at
  // columns.input_begin(). Up to kReadBeyond bytes behind the last input pixel are read.
  void (*horizontal)(const std::uint8_t* row, const Axis& columns, int channels, std::uint8_t* out);
  // Output row `index` of rows: `bytes` values, each a weighted sum over input rows that lie `stride` bytes apart.
  // `first` is the row rows.first[index].
  void (*vertical)(const std::uint8_t* first, std::size_t stride, const Axis& rows, int index, std::size_t bytes,
                   std::uint8_t* out);
};
inline constexpr std::size_t kReadBeyond = 16;

// For an instruction set that is supported.
const ResampleKernels& resample_kernels(Isa isa) noexcept;
const ResampleKernels& portable_resample_kernels() noexcept;
#if RESNET_X64_KERNELS
const ResampleKernels& avx2_resample_kernels() noexcept;
#endif

// The pass that comes first. It matters, as the first one rounds to 8 bits.
enum class FirstPass { kHorizontal, kVertical };

// Pillow's choice since 13.0: vertical where the height shrinks by more than twice what the width does.
FirstPass first_pass(std::int64_t width, std::int64_t height, std::int64_t to_width, std::int64_t to_height);

// Both passes. The view must hold all inputs of both axes. Gives columns.size() x rows.size() pixels. The first one
// takes the kernels of chosen_isa(), and throws what that throws.
Image resample(const View& view, const Axis& columns, const Axis& rows, FirstPass first);
Image resample(const View& view, const Axis& columns, const Axis& rows, FirstPass first,
               const ResampleKernels& kernels);

}  // namespace resnet
