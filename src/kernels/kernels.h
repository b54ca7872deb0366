// The engine's arithmetic: one table of functions per instruction set, all with the contracts written here.
//
// Activations are NHWC, dense except that a pixel's channels are padded with zeros to a multiple of kChannelBlock;
// kernels may read the padding and must write zeros to it. Buffers start at a multiple of 64 bytes. A `void*` points to
// values of the type that the shape says.
// Everything here is noexcept and checks nothing: the plan compiler has. A call works on one task of several, which
// different threads may run at the same time; tasks of one call write disjoint parts of the output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/isa.h"
#include "kernels/curve.h"
#include "kernels/refusal.h"
#include "kernels/weight_rule.h"

#include "base/value_format.h"

namespace resnet {

inline constexpr int kChannelBlock = 16;

constexpr int padded_channels(int channels) noexcept {
  return (channels + kChannelBlock - 1) / kChannelBlock * kChannelBlock;
}

// A convolution over a batch. Channels are the true ones, without padding.
struct ConvShape {
  int batch = 1;
  int in_height = 1, in_width = 1, in_channels = 1;
  int out_height = 1, out_width = 1, out_channels = 1;
  int kernel = 1, stride = 1, padding = 0, dilation = 1, groups = 1;
  ValueType in_type = ValueType::kF32;  // of the input and the residual
  ValueType out_type = ValueType::kF32;
  bool dense_input = false;  // the input's pixels are not padded: in_channels values each, as a picture comes
  bool residual = false;     // something is added before the ReLU
  bool relu = false;
  Curve curve = Curve::kNone;              // instead of the ReLU; the output is then kF32
  float negative_slope = 0;                // of the curve
  WeightRule weights = WeightRule::kNone;  // where the input is kU8: that they keep
};

// Values from one pixel of the input to the next.
constexpr int input_pitch(const ConvShape& shape) noexcept {
  return shape.dense_input ? shape.in_channels : padded_channels(shape.in_channels);
}

// output = relu(conv(input) + bias + residual), the last two steps where the shape says so; a curve in place of the
// ReLU likewise.
struct ConvCall {
  ConvShape shape;
  const void* input = nullptr;
  const void* weights = nullptr;   // as the algorithm's pack() wrote them
  const float* bias = nullptr;     // padded_channels(out_channels) values
  const void* residual = nullptr;  // laid out as the output
  void* output = nullptr;

  // Where the input is kU8: output = relu(sum * scale + bias + residual * residual_scale). Sums of products of whole
  // numbers are exact, each multiply-add is rounded once to float32, and a kU8 output is rounded as quantize.h says,
  // which does the ReLU. The zero points of all values are part of `bias`.
  const float* scale = nullptr;  // padded_channels(out_channels) values
  float residual_scale = 0;
  std::uint8_t zero_point = 0;  // of the input: what padding is made of
};

enum class ConvFamily : std::uint8_t { kDirect, kWinograd, kStrassen };

// One way to compute a convolution.
struct ConvAlgorithm {
  const char* name;
  ConvFamily family;
  ValueType type;      // of the input
  WeightRule weights;  // that it needs

  // kNone where it can compute this shape.
  Refusal (*refuse)(const ConvShape& shape) noexcept;

  // Weights in the algorithm's own order. All of it depends on channels, groups, kernel and types alone: plans for
  // different input sizes share packed weights. Output channels [begin, end) are packed at a time, in any order and by
  // several threads; both are multiples of pack_unit(), but for an end that is the last. `weights`, whole numbers from
  // -128 to 127 where the input is kU8, are theirs alone: (end - begin) x in / groups x kernel x kernel.
  std::size_t (*packed_bytes)(const ConvShape& shape) noexcept;
  int (*pack_unit)(const ConvShape& shape) noexcept;
  void (*pack)(const ConvShape& shape, int begin, int end, const float* weights, void* packed) noexcept;

  // Memory that each thread needs for itself while it runs a task, 64-byte aligned.
  std::size_t (*scratch_bytes)(const ConvShape& shape) noexcept;

  // Into how many tasks to cut the call for this many threads; tasks take about the same time.
  int (*tasks)(const ConvShape& shape, int threads) noexcept;

  // How long it takes, in multiply-adds of a lane: what a plan compares a table's algorithms by where nobody measured.
  double (*cost)(const ConvShape& shape, int threads) noexcept;

  // Computes task `task` of `tasks`.
  void (*run)(const ConvCall& call, int task, int tasks, void* scratch) noexcept;

  // Multiply-adds of the kind that its products are made of, as many at once as the processor can; returns the number
  // of operations done (two per multiply-add).
  double (*spin)(std::int64_t iterations) noexcept;
};

// Whether outputs are the same to the bit however the call is cut into tasks. Strassen's algorithm adds up pairs of
// pixels, and which pixels make a pair depends on where a task begins.
inline bool keeps_bits(const ConvAlgorithm& algorithm) noexcept { return algorithm.family != ConvFamily::kStrassen; }

// A pooling window over a batch; padding never counts, but of blurs.
struct PoolShape {
  int batch = 1, channels = 1;
  int in_height = 1, in_width = 1, out_height = 1, out_width = 1;
  int kernel = 1, stride = 1, padding = 0;
  ValueType type = ValueType::kF32;  // of input and output; kU8 has the same format in both, but for:

  // The mean over a whole picture of kU8 values is float32(sum) * scale + offset, rounded once, then as to_u8()
  // rounds.
  float scale = 1, offset = 0;
};

// Functions that take [begin, end) work on that part of the range their comment names.
struct Kernels {
  Isa isa;

  // Of those for a type, the first one has the product that does most at once, and the last one takes every shape.
  // kF32 and kU8 have some in every table.
  std::span<const ConvAlgorithm> convs;

  // Whether there is one for this type.
  bool multiplies(ValueType type) const noexcept;

  // What the fastest one for kU8 asks of weights.
  WeightRule weight_rule() const noexcept;

  // The spin of the fastest one for this type, which there must be.
  double spin(ValueType type, std::int64_t iterations) const noexcept;

  // Rows of the output, of batch * out_height.
  void (*max_pool)(const PoolShape& shape, const void* in, void* out, int begin, int end) noexcept;
  void (*average_pool)(const PoolShape& shape, const void* in, void* out, int begin, int end) noexcept;

  // float32, likewise: windows of 3x3 with the weights 1 2 1 by 1 2 1 over 16; padding reflects the picture, which is
  // larger than it.
  void (*blur)(const PoolShape& shape, const float* in, float* out, int begin, int end) noexcept;

  // Mean over all pixels of the input; images of the batch.
  void (*global_average_pool)(const PoolShape& shape, const void* in, void* out, int begin, int end) noexcept;

  // float32 values. `out` may be one of the inputs; `b` may be null (nothing is added).
  void (*add)(const float* a, const float* b, float* out, bool relu, std::size_t begin, std::size_t end) noexcept;

  // float32 pixels, of batch * height * width: x * scale + shift per (padded) channel. For a batch norm that nothing
  // folds.
  void (*scale_shift)(const float* in, const float* scale, const float* shift, float* out, int channels, bool relu,
                      std::int64_t begin, std::int64_t end) noexcept;

  // float32 values, in place; whole blocks of kChannelBlock.
  void (*curve)(Curve curve, float negative_slope, float* values, std::size_t begin, std::size_t end) noexcept;

  // Values in another format. One of the two is kF32, and `to` is rounded as quantize() and float_to_bfloat16() round.
  void (*convert)(const ValueFormat& from, const void* in, const ValueFormat& to, void* out, std::size_t begin,
                  std::size_t end) noexcept;
};

// Plain C++ that every other table is tested against.
const Kernels& reference_kernels() noexcept;

// The table for an instruction set that is supported (base/isa.h).
const Kernels& kernels_for(Isa isa) noexcept;

// The table for chosen_isa(); throws what that throws.
const Kernels& best_kernels();

}  // namespace resnet
