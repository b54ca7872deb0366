// The training table in plain C++, and what all instruction sets share: how weights' gradients are cut and collected,
// turned weights, and the gradients of what takes little time.
#include "kernels/generic/training_ref.h"

#include <vector>

#include "kernels/weight_layout.h"

namespace resnet {
namespace {

void weight_gradient(const WeightGradientCall& call) noexcept {
  const ConvShape& s = call.shape;
  const WeightSums sums(s);
  std::fill(call.sums + call.first_block * sums.block_values, call.sums + call.last_block * sums.block_values, 0.0F);
  const int group_in = s.in_channels / s.groups;
  const int group_out = s.out_channels / s.groups;
  for_each_product(s, call.begin, call.end, [&](std::int64_t in, std::int64_t weight, std::int64_t out) {
    const auto channel = static_cast<int>(weight / sums.taps / group_in);
    const int block = channel / kChannelBlock;
    if (block < call.first_block || block >= call.last_block) return;
    const int row =
        channel / group_out * group_in + static_cast<int>(weight / sums.taps % group_in) - sums.first_channel(s, block);
    float& sum = call.sums[block * sums.block_values + (weight % sums.taps * sums.rows + row) * kChannelBlock +
                           channel % kChannelBlock];
    sum += call.input[in] * call.gradient[out];
  });
}

ReferenceNorm<float> norm_of(std::int64_t pixels, int channels) { return {pixels, channels}; }

void add_moments(const float* x, std::int64_t pixels, int channels, const float* shift, double* sums) noexcept {
  for (int c = 0; c < channels; ++c) {
    norm_of(pixels, channels).add_moments<double>(x + c, shift[c], sums + c, sums + channels + c);
  }
}

void normalize(const float* x, const float* residual, std::int64_t pixels, int channels, const float* scale,
               const float* bias, bool relu, float* y) noexcept {
  for (int c = 0; c < channels; ++c) {
    norm_of(pixels, channels)
        .normalize(x + c, residual == nullptr ? nullptr : residual + c, scale[c], bias[c], relu, y + c);
  }
}

void add_gradient_sums(const float* dy, const float* x, const float* y, std::int64_t pixels, int channels,
                       const float* scale, const float* bias, const float* mean, ReluMask mask, float* masked,
                       double* sums) noexcept {
  const bool from_input = mask == ReluMask::kFromInput;
  for (int c = 0; c < channels; ++c) {
    norm_of(pixels, channels)
        .add_gradient_sums<double>(dy + c, x + c, mask == ReluMask::kFromOutput ? y + c : nullptr,
                                   from_input ? scale[c] : 0, from_input ? bias[c] : 0, mean[c], mask,
                                   masked == nullptr ? nullptr : masked + c, sums + c, sums + channels + c);
  }
}

void normalize_gradient(const float* dy, const float* x, std::int64_t pixels, int channels, const float* scale,
                        const float* bias, ReluMask mask, const float* a, const float* b, const float* c,
                        float* dx) noexcept {
  const bool from_input = mask == ReluMask::kFromInput;
  for (int i = 0; i < channels; ++i) {
    norm_of(pixels, channels)
        .normalize_gradient(dy + i, x + i, from_input ? scale[i] : 0, from_input ? bias[i] : 0, mask, a[i], b[i], c[i],
                            dx + i);
  }
}

void activation_gradient(Curve curve, float negative_slope, const float* values, float* gradient, std::size_t begin,
                         std::size_t end) noexcept {
  for (std::size_t i = begin; i < end; ++i) {
    gradient[i] *= static_cast<float>(activation_slope<double>(curve, negative_slope, values[i]));
  }
}

// Values of the pixels of `pictures` pictures.
std::int64_t values_of(int height, int width, std::int64_t pitch, std::int64_t pictures) {
  return pictures * height * width * pitch;
}

void clear_pictures(const PoolShape& s, float* dx, int begin, int end) {
  const std::int64_t picture = values_of(s.in_height, s.in_width, padded_channels(s.channels), 1);
  std::fill(dx + begin * picture, dx + end * picture, 0.0F);
}

void add_share(const float* from, float share, int channels, float* to) {
  for (int c = 0; c < channels; ++c) to[c] += share * from[c];
}

}  // namespace

const TrainingKernels& reference_training_kernels() noexcept {
  static constexpr TrainingKernels kTable = {
      Isa::kRef, weight_gradient, add_moments, normalize, add_gradient_sums, normalize_gradient, activation_gradient,
  };
  return kTable;
}

WeightGradientParts weight_gradient_parts(const ConvShape& shape) noexcept {
  constexpr std::int64_t kParts = 32;      // tasks are many, so that threads share them evenly
  constexpr std::int64_t kSums = 1 << 20;  // values of all parts' sums
  constexpr std::int64_t kPixels = 256;    // of a part, at least
  const WeightSums sums(shape);
  const std::int64_t most = std::min(kParts, kSums / (sums.block_values * sums.blocks));
  WeightGradientParts parts;
  parts.pixels =
      static_cast<int>(std::clamp<std::int64_t>(sums.g.pixels / kPixels, 1, std::max<std::int64_t>(most, 1)));
  const int units = sums.g.slice_columns == sums.g.columns ? ceil_divide(sums.blocks, 2) : sums.blocks;
  parts.blocks = std::clamp(static_cast<int>(kParts) / parts.pixels, 1, units);
  return parts;
}

std::int64_t weight_gradient_values(const ConvShape& shape) noexcept {
  const WeightSums sums(shape);
  return sums.block_values * sums.blocks;
}

WeightGradientCall weight_gradient_part(const WeightGradientCall& all, const WeightGradientParts& parts,
                                        int part) noexcept {
  const WeightSums sums(all.shape);
  WeightGradientCall call = all;
  const Part pixels(sums.g.pixels, part % parts.pixels, parts.pixels);
  call.begin = pixels.begin;
  call.end = pixels.end;
  const bool pairs = sums.g.slice_columns == sums.g.columns;  // two blocks share what they read
  const Part units(pairs ? ceil_divide(sums.blocks, 2) : sums.blocks, part / parts.pixels, parts.blocks);
  call.first_block = static_cast<int>(pairs ? 2 * units.begin : units.begin);
  call.last_block = smaller(static_cast<int>(pairs ? 2 * units.end : units.end), sums.blocks);
  call.sums = all.sums + part % parts.pixels * sums.block_values * sums.blocks;
  return call;
}

void collect_weight_gradient(const ConvShape& s, const float* sums, int parts, int begin, int end,
                             float* gradient) noexcept {
  const WeightSums layout(s);
  const std::int64_t part_values = layout.block_values * layout.blocks;
  const int group_in = s.in_channels / s.groups;
  const int group_out = s.out_channels / s.groups;
  for (int channel = begin; channel < end; ++channel) {
    const int block = channel / kChannelBlock;
    const int row = channel / group_out * group_in - layout.first_channel(s, block);
    const float* from = sums + block * layout.block_values + channel % kChannelBlock;
    float* to = gradient + std::int64_t{channel} * group_in * layout.taps;
    for (int i = 0; i < group_in; ++i) {
      for (int tap = 0; tap < layout.taps; ++tap) {
        const float* at = from + (std::int64_t{tap} * layout.rows + row + i) * kChannelBlock;
        float sum = 0;
        for (int part = 0; part < parts; ++part) sum += at[part * part_values];
        to[i * layout.taps + tap] += sum;
      }
    }
  }
}

ConvShape input_gradient_shape(const ConvShape& s) noexcept {
  ConvShape turned;
  turned.batch = s.batch;
  turned.in_channels = s.out_channels;
  turned.out_channels = s.in_channels;
  turned.kernel = s.kernel;
  turned.dilation = s.dilation;
  turned.groups = s.groups;
  const int reach = s.dilation * (s.kernel - 1);
  turned.padding = reach - s.padding;
  turned.in_height = s.kernel == 1 ? s.out_height : s.in_height + 2 * s.padding - reach;
  turned.in_width = s.kernel == 1 ? s.out_width : s.in_width + 2 * s.padding - reach;
  turned.out_height = s.kernel == 1 ? s.out_height : s.in_height;
  turned.out_width = s.kernel == 1 ? s.out_width : s.in_width;
  return turned;
}

void turn_weights(const ConvShape& s, const float* weights, int begin, int end, float* turned) noexcept {
  const int group_in = s.in_channels / s.groups;
  const int group_out = s.out_channels / s.groups;
  const int taps = s.kernel * s.kernel;
  for (int in = begin; in < end; ++in) {
    const float* from = weights + (std::int64_t{in / group_in} * group_out * group_in + in % group_in) * taps;
    float* to = turned + std::int64_t{in} * group_out * taps;
    for (int out = 0; out < group_out; ++out, from += std::int64_t{group_in} * taps, to += taps) {
      for (int tap = 0; tap < taps; ++tap) to[tap] = from[taps - 1 - tap];
    }
  }
}

void spread_gradient(const SpreadShape& s, const float* dy, float* dx, bool add, int begin, int end) noexcept {
  const std::int64_t pitch = padded_channels(s.channels);
  for (int picture = begin; picture < end; ++picture) {
    const float* from = dy + values_of(s.in_height, s.in_width, pitch, picture);
    float* to = dx + values_of(s.out_height, s.out_width, pitch, picture);
    if (!add) std::fill(to, to + values_of(s.out_height, s.out_width, pitch, 1), 0.0F);
    for (int y = 0; y < s.in_height; ++y) {
      for (int x = 0; x < s.in_width; ++x, from += pitch) {
        float* pixel = to + (std::int64_t{y} * s.out_width + x) * s.stride * pitch;
        if (add) {
          add_share(from, 1, static_cast<int>(pitch), pixel);
        } else {
          std::copy(from, from + pitch, pixel);
        }
      }
    }
  }
}

void max_pool_gradient(const PoolShape& s, const float* x, const float* dy, float* dx, int begin, int end) noexcept {
  const int pitch = padded_channels(s.channels);
  clear_pictures(s, dx, begin, end);
  for (int picture = begin; picture < end; ++picture) {
    for (int first = 0; first < pitch; first += kChannelBlock) {
      float most[kChannelBlock] = {};
      std::int64_t place[kChannelBlock] = {};
      std::int64_t before = -1;
      const auto give = [&] {
        for (int c = 0; before >= 0 && c < kChannelBlock; ++c) dx[place[c] + c] += dy[before * pitch + first + c];
      };
      for_each_pooled(s, picture, [&](std::int64_t in, std::int64_t out, int) {
        const float* at = x + in * pitch + first;
        const std::int64_t here = in * pitch + first;
        if (out != before) {
          give();
          before = out;
          for (int c = 0; c < kChannelBlock; ++c) most[c] = at[c], place[c] = here;
          return;
        }
        for (int c = 0; c < kChannelBlock; ++c) {
          const bool more = at[c] > most[c] || at[c] != at[c];
          most[c] = more ? at[c] : most[c];
          place[c] = more ? here : place[c];
        }
      });
      give();
    }
  }
}

void average_pool_gradient(const PoolShape& s, const float* dy, float* dx, int begin, int end) noexcept {
  const int pitch = padded_channels(s.channels);
  clear_pictures(s, dx, begin, end);
  for (int picture = begin; picture < end; ++picture) {
    for_each_pooled(s, picture, [&](std::int64_t in, std::int64_t out, int pixels) {
      add_share(dy + out * pitch, 1.0F / static_cast<float>(pixels), pitch, dx + in * pitch);
    });
  }
}

void blur_gradient(const PoolShape& s, const float* dy, float* dx, int begin, int end) noexcept {
  const int pitch = padded_channels(s.channels);
  clear_pictures(s, dx, begin, end);
  for (int picture = begin; picture < end; ++picture) {
    for_each_blurred(s, picture, [&](std::int64_t in, std::int64_t out, float weight) {
      add_share(dy + out * pitch, weight, pitch, dx + in * pitch);
    });
  }
}

void global_average_pool_gradient(const PoolShape& s, const float* dy, float* dx, int begin, int end) noexcept {
  const int pitch = padded_channels(s.channels);
  const int pixels = s.in_height * s.in_width;
  for (int picture = begin; picture < end; ++picture) {
    const float* from = dy + std::int64_t{picture} * pitch;
    float* to = dx + values_of(s.in_height, s.in_width, pitch, picture);
    for (int pixel = 0; pixel < pixels; ++pixel, to += pitch) {
      for (int c = 0; c < pitch; ++c) to[c] = from[c] / static_cast<float>(pixels);
    }
  }
}

void pad_shortcut_gradient(const PoolShape& s, int out_channels, const float* dy, float* dx, int begin,
                           int end) noexcept {
  const std::int64_t pitch = padded_channels(s.channels);
  const std::int64_t out_pitch = padded_channels(out_channels);
  const int before = (out_channels - s.channels) / 2;
  clear_pictures(s, dx, begin, end);
  for (int picture = begin; picture < end; ++picture) {
    for (int y = 0; y < s.out_height; ++y) {
      for (int x = 0; x < s.out_width; ++x) {
        const float* from = dy + ((std::int64_t{picture} * s.out_height + y) * s.out_width + x) * out_pitch + before;
        std::copy(from, from + s.channels,
                  dx + ((std::int64_t{picture} * s.in_height + y * s.stride) * s.in_width + x * s.stride) * pitch);
      }
    }
  }
}

void take_channels(const float* dy, int all, int first, int channels, float* dx, std::int64_t begin,
                   std::int64_t end) noexcept {
  const std::int64_t from_pitch = padded_channels(all);
  const std::int64_t to_pitch = padded_channels(channels);
  for (std::int64_t pixel = begin; pixel < end; ++pixel) {
    const float* from = dy + pixel * from_pitch + first;
    float* to = dx + pixel * to_pitch;
    std::copy(from, from + channels, to);
    std::fill(to + channels, to + to_pitch, 0.0F);
  }
}

}  // namespace resnet
