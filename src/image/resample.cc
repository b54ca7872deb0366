#include "image/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace resnet {
namespace {

constexpr int kTapGroup = 4;

double triangle(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// Keys 1981, "Cubic convolution interpolation for digital image processing", equation 15 with a = -0.5.
double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

std::uint8_t clip(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255)); }

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

void horizontal(const std::uint8_t* row, const Axis& columns, int channels, std::uint8_t* out) {
  for (int x = 0; x < columns.size(); ++x) {
    const std::int32_t* weights = columns.weights.data() + static_cast<std::ptrdiff_t>(x) * columns.stride;
    const std::uint8_t* in = row + static_cast<std::ptrdiff_t>(columns.first[x]) * channels;
    for (int c = 0; c < channels; ++c) {
      std::int32_t sum = kHalf;
      for (int i = 0; i < columns.count[x]; ++i) sum += in[i * channels + c] * weights[i];
      *out++ = clip(sum);
    }
  }
}

void vertical(const std::uint8_t* first, std::size_t stride, const Axis& rows, int index, std::size_t bytes,
              std::uint8_t* out) {
  constexpr std::size_t kBlock = 64;
  const std::int32_t* weights = rows.weights.data() + static_cast<std::ptrdiff_t>(index) * rows.stride;
  for (std::size_t x = 0; x < bytes; x += kBlock) {
    const std::size_t width = std::min(kBlock, bytes - x);
    std::int32_t sums[kBlock];
    std::fill_n(sums, width, kHalf);
    for (int i = 0; i < rows.count[index]; ++i) {
      const std::uint8_t* in = first + stride * static_cast<std::size_t>(i) + x;
      for (std::size_t j = 0; j < width; ++j) sums[j] += in[j] * weights[i];
    }
    for (std::size_t j = 0; j < width; ++j) out[x + j] = clip(sums[j]);
  }
}

// The axis's columns of the picture's rows [begin, end).
Image resample_columns(const View& view, const Axis& columns, int begin, int end, const ResampleKernels& kernels) {
  const auto channels = static_cast<std::size_t>(view.channels);
  const std::size_t in_bytes = static_cast<std::size_t>(view.width) * channels;
  const std::size_t out_bytes = static_cast<std::size_t>(columns.size()) * channels;
  const std::size_t beyond = kReadBeyond + kTapGroup * channels;
  const std::ptrdiff_t to_column_0 = -static_cast<std::ptrdiff_t>(view.left) * view.channels;
  Image result{columns.size(), end - begin, view.channels, {}};
  result.pixels.resize(out_bytes * static_cast<std::size_t>(end - begin));
  std::uint8_t* out = result.pixels.data();
  std::vector<std::uint8_t> copy;  // of rows so near to the end of memory that nothing may be read behind them
  for (int y = begin; y < end; ++y, out += out_bytes) {
    const std::size_t offset = static_cast<std::size_t>(y - view.top) * in_bytes;
    const std::uint8_t* row = view.pixels.data() + offset;
    if (columns.copies) {
      std::memcpy(out, row + to_column_0 + static_cast<std::ptrdiff_t>(columns.input_begin()) * view.channels,
                  out_bytes);
      continue;
    }
    if (view.pixels.size() - offset - in_bytes < beyond) {
      copy.assign(row, row + in_bytes);
      copy.resize(in_bytes + beyond);
      row = copy.data();
    }
    kernels.horizontal(row + to_column_0, columns, view.channels, out);
  }
  return result;
}

// The axis's rows of the picture's columns [begin, end).
Image resample_rows(const View& view, const Axis& rows, int begin, int end, const ResampleKernels& kernels) {
  const auto channels = static_cast<std::size_t>(view.channels);
  const std::size_t in_bytes = static_cast<std::size_t>(view.width) * channels;
  const std::size_t out_bytes = static_cast<std::size_t>(end - begin) * channels;
  Image result{end - begin, rows.size(), view.channels, {}};
  result.pixels.resize(out_bytes * static_cast<std::size_t>(rows.size()));
  const std::uint8_t* column = view.pixels.data() + static_cast<std::size_t>(begin - view.left) * channels;
  for (int y = 0; y < rows.size(); ++y) {
    const std::uint8_t* first = column + static_cast<std::size_t>(rows.first[y] - view.top) * in_bytes;
    std::uint8_t* out = result.pixels.data() + out_bytes * static_cast<std::size_t>(y);
    if (rows.copies) {
      std::memcpy(out, first, out_bytes);
    } else {
      kernels.vertical(first, in_bytes, rows, y, out_bytes, out);
    }
  }
  return result;
}

}  // namespace

View view_of(const ImageView& image, int left, int top) {
  return {image.pixels, image.width, image.height, image.channels, left, top};
}

Axis make_axis(int in, std::int64_t out, Interpolation interpolation, std::int64_t begin, std::int64_t end) {
  const auto size = static_cast<std::size_t>(end - begin);
  Axis axis;
  axis.first.resize(size);
  axis.count.resize(size);
  axis.copies = in == out;
  if (axis.copies) {
    for (std::size_t i = 0; i < size; ++i) axis.first[i] = static_cast<int>(begin) + static_cast<int>(i);
    std::fill(axis.count.begin(), axis.count.end(), 1);
    return axis;
  }
  const bool bilinear = interpolation == Interpolation::kBilinear;
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = (bilinear ? 1.0 : 2.0) * filter_scale;
  const int taps = std::min(static_cast<int>(std::ceil(support)) * 2 + 1, in);
  axis.stride = (taps + kTapGroup - 1) / kTapGroup * kTapGroup;
  axis.weights.resize(size * static_cast<std::size_t>(axis.stride));
  axis.halves.resize(axis.weights.size() * 2);
  const double inverse = 1.0 / filter_scale;
  std::vector<double> exact(static_cast<std::size_t>(taps));
  for (std::size_t i = 0; i < size; ++i) {
    const double center = (static_cast<double>(begin + static_cast<std::int64_t>(i)) + 0.5) * scale;
    const int first = std::max(static_cast<int>(std::floor(center - support + 0.5)), 0);
    const int count = std::min(static_cast<int>(std::floor(center + support + 0.5)), in) - first;
    axis.first[i] = first;
    axis.count[i] = count;
    double sum = 0;
    for (int j = 0; j < count; ++j) {
      const double x = (j + first - center + 0.5) * inverse;
      exact[j] = bilinear ? triangle(x) : cubic(x);
      sum += exact[j];
    }
    std::int32_t* weights = axis.weights.data() + i * static_cast<std::size_t>(axis.stride);
    std::int16_t* halves = axis.halves.data() + i * static_cast<std::size_t>(axis.stride) * 2;
    for (int j = 0; j < count; ++j) {
      const double value = (sum != 0.0 ? exact[j] / sum : exact[j]) * (1 << kWeightBits);
      weights[j] = static_cast<std::int32_t>(value < 0 ? value - 0.5 : value + 0.5);
      std::int16_t* group = halves + j / kTapGroup * (2 * kTapGroup) + j % kTapGroup;
      group[0] = static_cast<std::int16_t>(weights[j] >> 11);
      group[kTapGroup] = static_cast<std::int16_t>(weights[j] & 2047);
    }
  }
  return axis;
}

const ResampleKernels& portable_resample_kernels() noexcept {
  static constexpr ResampleKernels kKernels{horizontal, vertical};
  return kKernels;
}

const ResampleKernels& resample_kernels(Isa isa) noexcept {
#if RESNET_X64_KERNELS
  if (isa != Isa::kRef) return avx2_resample_kernels();  // which all others have
#else
  static_cast<void>(isa);
#endif
  return portable_resample_kernels();
}

FirstPass first_pass(std::int64_t width, std::int64_t height, std::int64_t to_width, std::int64_t to_height) {
  const bool much_lower = height > to_height && height - to_height > 2 * (width - to_width);
  return much_lower ? FirstPass::kVertical : FirstPass::kHorizontal;
}

Image resample(const View& view, const Axis& columns, const Axis& rows, FirstPass first,
               const ResampleKernels& kernels) {
  RESNET_ASSERT(rows.input_begin() >= view.top && rows.input_end() <= view.top + view.height &&
                columns.input_begin() >= view.left && columns.input_end() <= view.left + view.width);
  if (first == FirstPass::kVertical) {
    const int left = columns.input_begin();
    const Image low = resample_rows(view, rows, left, columns.input_end(), kernels);
    return resample_columns(view_of(low, left, 0), columns, 0, rows.size(), kernels);
  }
  const int top = rows.input_begin();
  Image narrow = resample_columns(view, columns, top, rows.input_end(), kernels);
  if (rows.copies) return narrow;
  return resample_rows(view_of(narrow, 0, top), rows, 0, columns.size(), kernels);
}

Image resample(const View& view, const Axis& columns, const Axis& rows, FirstPass first) {
  return resample(view, columns, rows, first, resample_kernels(chosen_isa()));
}

Image resize(const Image& image, int width, int height, Interpolation interpolation) {
  constexpr int kMaxSide = 65'535;
  constexpr std::int64_t kMaxPixels = 100'000'000;
  if (width < 1 || width > kMaxSide || height < 1 || height > kMaxSide || width > kMaxPixels / height) {
    fail(ErrorCode::kInvalidArgument, "resize", "cannot make a picture of {}x{} pixels", width, height);
  }
  return resample(view_of(image), make_axis(image.width, width, interpolation, 0, width),
                  make_axis(image.height, height, interpolation, 0, height),
                  first_pass(image.width, image.height, width, height));
}

}  // namespace resnet
