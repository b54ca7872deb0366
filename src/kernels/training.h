// What training computes besides the engine's arithmetic: batch norm as it learns its statistics, and gradients. One
// table of functions per instruction set for what takes time, and plain functions for the rest.
//
// Values lie as kernels.h says (NHWC, float32, channels padded with zeros, which gradients are as well). The gradient
// of a convolution's input is no function of its own: it is a convolution with turned weights (turn_weights()).
// Everything here is noexcept and checks nothing. Sums are taken in an order that the shapes alone decide, so that
// results do not depend on how many threads share the work.
#pragma once

#include "kernels/kernels.h"

namespace resnet {

// What the ReLU behind a batch norm let through.
enum class ReluMask : std::uint8_t {
  kNone,        // there is no ReLU
  kFromInput,   // where scale * x + bias > 0
  kFromOutput,  // where y > 0
};

// Sums of products for the weights of blocks [first_block, last_block) of 16 output channels, over pixels [begin, end)
// of the output (of batch * out_height * out_width), at least one. `sums` (weight_gradient_values() values) is
// overwritten at the places of these blocks; collect_weight_gradient() knows its layout.
struct WeightGradientCall {
  ConvShape shape;  // of the convolution; kF32
  const float* input = nullptr;
  const float* gradient = nullptr;  // of the output
  std::int64_t begin = 0, end = 0;
  int first_block = 0, last_block = 0;
  float* sums = nullptr;
};

// y = relu(scale * x + bias + residual) per channel, with scale = weight / deviation and bias = bias - mean * scale,
// has
//
//   dx = a * g + b * x + c      g: the gradient of y where the ReLU let something through
//
// with a = scale, b = -a * sum(g * (x - mean)) / (deviation^2 * n), c = -a * sum(g) / n - b * mean (Ioffe and Szegedy
// 2015, arXiv:1502.03167, section 3, collected by powers of x). `channels` is padded; `pixels` pixels follow each
// other.
struct TrainingKernels {
  Isa isa;

  void (*weight_gradient)(const WeightGradientCall& call) noexcept;

  // Adds the sums of x - shift and (x - shift)^2 of each channel to sums[0, channels) and sums[channels, 2 channels). A
  // shift close to the mean keeps the variance from being a small difference of large numbers.
  void (*add_moments)(const float* x, std::int64_t pixels, int channels, const float* shift, double* sums) noexcept;

  // y, which may be x or the residual. `residual` may be null.
  void (*normalize)(const float* x, const float* residual, std::int64_t pixels, int channels, const float* scale,
                    const float* bias, bool relu, float* y) noexcept;

  // Adds the sums of g and g * (x - mean) to sums[0, channels) and sums[channels, 2 channels). Writes g to `masked`
  // where it is not null, which may be dy. `y` is read for kFromOutput alone, scale and bias for kFromInput alone.
  void (*add_gradient_sums)(const float* dy, const float* x, const float* y, std::int64_t pixels, int channels,
                            const float* scale, const float* bias, const float* mean, ReluMask mask, float* masked,
                            double* sums) noexcept;

  // dx, which may be dy; the mask is kNone or kFromInput.
  void (*normalize_gradient)(const float* dy, const float* x, std::int64_t pixels, int channels, const float* scale,
                             const float* bias, ReluMask mask, const float* a, const float* b, const float* c,
                             float* dx) noexcept;

  // gradient *= the slope of an activation at `values`, its inputs; of a ReLU (Curve::kNone) its inputs or its outputs.
  // Values [begin, end), whole blocks of kChannelBlock.
  void (*activation_gradient)(Curve curve, float negative_slope, const float* values, float* gradient,
                              std::size_t begin, std::size_t end) noexcept;
};

// Plain C++ that every other table is tested against.
const TrainingKernels& reference_training_kernels() noexcept;

// The table for an instruction set that is supported (base/isa.h).
const TrainingKernels& training_kernels_for(Isa isa) noexcept;

// Into what a weight's gradient is cut, by its shape alone: parts of the pixels, whose sums are then added, and parts
// of the blocks of output channels.
struct WeightGradientParts {
  int pixels = 1, blocks = 1;
  int count() const noexcept { return pixels * blocks; }
};
WeightGradientParts weight_gradient_parts(const ConvShape& shape) noexcept;

// Values of the sums of one part of the pixels.
std::int64_t weight_gradient_values(const ConvShape& shape) noexcept;

// Part number `part`: pixels and blocks are set and `sums` becomes the place of the part in room for all parts of the
// pixels.
WeightGradientCall weight_gradient_part(const WeightGradientCall& all, const WeightGradientParts& parts,
                                        int part) noexcept;

// gradient (out x in / groups x kernel x kernel) += the sums of `parts` parts of the pixels, for output channels
// [begin, end), multiples of 16 but for the last.
void collect_weight_gradient(const ConvShape& shape, const float* sums, int parts, int begin, int end,
                             float* gradient) noexcept;

// The convolution that gives the gradient of the input of `shape` (kF32, padding at most dilation * (kernel - 1), or a
// kernel of 1 without padding) from that of its output, which has been spread where the stride is more than 1
// (spread_gradient()); without residual, ReLU or curve. With a kernel of 1 it computes every stride-th pixel alone.
ConvShape input_gradient_shape(const ConvShape& shape) noexcept;

// Weights out x in / groups x kernel x kernel as that convolution has them: in and out change places within each group,
// and windows are turned by half a circle. `turned` has as many values; its output channels [begin, end) are written.
void turn_weights(const ConvShape& shape, const float* weights, int begin, int end, float* turned) noexcept;

// The rest is plain C++ for all instruction sets. Each task works on pictures [begin, end) of the batch, and overwrites
// its part of `dx`, the gradient of the input, from `dy`, that of the output.

// Pixels of a picture `stride` apart, zeros between and behind them. Channels are padded. Adds to what is there where
// `add` (and there are then no zeros to write).
struct SpreadShape {
  int channels = 1, stride = 1;
  int in_height = 1, in_width = 1, out_height = 1, out_width = 1;
};
void spread_gradient(const SpreadShape& shape, const float* dy, float* dx, bool add, int begin, int end) noexcept;

// All of the gradient goes to the first largest value of a window, as in PyTorch.
void max_pool_gradient(const PoolShape& shape, const float* x, const float* dy, float* dx, int begin, int end) noexcept;
void average_pool_gradient(const PoolShape& shape, const float* dy, float* dx, int begin, int end) noexcept;
void blur_gradient(const PoolShape& shape, const float* dy, float* dx, int begin, int end) noexcept;
void global_average_pool_gradient(const PoolShape& shape, const float* dy, float* dx, int begin, int end) noexcept;

// Option A's shortcut: stride and channels as engine/layout.h's pad_shortcut() has them.
void pad_shortcut_gradient(const PoolShape& shape, int out_channels, const float* dy, float* dx, int begin,
                           int end) noexcept;

// Channels [first, first + channels) of pixels that have `all` channels; pixels [begin, end).
void take_channels(const float* dy, int all, int first, int channels, float* dx, std::int64_t begin,
                   std::int64_t end) noexcept;

}  // namespace resnet
