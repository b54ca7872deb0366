// Batch norm as it learns: moments, what follows from them, and their gradients.
#include <algorithm>
#include <cmath>

#include "learn/passes.h"

namespace resnet {
namespace {

constexpr double kMomentum = 0.1;  // of running statistics, as in PyTorch

// The pixels of a value cut into pieces for threads: by the value's size alone, so that sums do not depend on the
// number of threads. With stochastic depth a piece is a picture.
struct NormPieces {
  std::int64_t pixels;
  int channels;
  std::int64_t count;

  NormPieces(const FeatureShape& shape, bool by_picture)
      : pixels(pixels_of(shape)),
        channels(channels_of(shape)),
        count(by_picture ? shape.batch : std::clamp<std::int64_t>(pixels * channels >> 14, 1, 64)) {}

  // work(piece, place of its first value, pixels)
  template <typename Work>
  void for_each(ThreadPool& team, Work work) const {
    team.run(static_cast<int>(count), [&](int piece, int) {
      const std::int64_t first = pixels * piece / count;
      work(piece, first * channels, pixels * (piece + 1) / count - first);
    });
  }

  // Adds up what add(piece, place, pixels, sums) puts into 2 * channels sums.
  template <typename Add>
  std::vector<double> sum(ThreadPool& team, const std::vector<float>& scale, Add add) const {
    const std::size_t size = 2 * static_cast<std::size_t>(channels);
    std::vector<double> sums(static_cast<std::size_t>(count) * size);
    for_each(team, [&](std::int64_t piece, std::int64_t at, std::int64_t n) {
      add(at, n, sums.data() + static_cast<std::size_t>(piece) * size);
    });
    std::vector<double> total(size);
    for (std::size_t piece = 0; piece < static_cast<std::size_t>(count); ++piece) {
      const double factor = scale.empty() ? 1 : scale[piece];
      for (std::size_t i = 0; i < size; ++i) total[i] += factor * sums[piece * size + i];
    }
    return total;
  }
};

// mean, inverse and, where they learn, the running statistics.
void take_statistics(const Pass& pass, const LearnStep& step, StepState& state, double epsilon) {
  const auto channels = static_cast<std::size_t>(step.in.channels);
  float* kept_mean = state.running_mean->value.data();
  float* kept_var = state.running_var->value.data();
  if (!step.learns) {
    for (std::size_t i = 0; i < channels; ++i) {
      state.mean[i] = kept_mean[i];
      state.inverse[i] = static_cast<float>(1 / std::sqrt(kept_var[i] + epsilon));
    }
    return;
  }
  const NormPieces pieces(step.in, false);
  const float* x = pass.buffer(step.input);
  const std::vector<float> shift(x, x + pieces.channels);
  const std::vector<double> sums = pieces.sum(pass.team, {}, [&](std::int64_t at, std::int64_t n, double* to) {
    pass.training.add_moments(x + at, n, pieces.channels, shift.data(), to);
  });
  const auto n = static_cast<double>(pieces.pixels);
  for (std::size_t i = 0; i < channels; ++i) {
    const double offset = sums[i] / n;
    const double variance = std::max(0.0, sums[static_cast<std::size_t>(pieces.channels) + i] / n - offset * offset);
    state.mean[i] = static_cast<float>(shift[i] + offset);
    state.inverse[i] = static_cast<float>(1 / std::sqrt(variance + epsilon));
    const double unbiased = variance * n / std::max(1.0, n - 1);
    kept_mean[i] = static_cast<float>((1 - kMomentum) * kept_mean[i] + kMomentum * state.mean[i]);
    kept_var[i] = static_cast<float>((1 - kMomentum) * kept_var[i] + kMomentum * unbiased);
  }
}

// Per picture, what a batch norm multiplies by; the channels' factors where there is no stochastic depth.
std::vector<float> times_pictures(const StepState& state, const std::vector<float>& factors) {
  if (state.picture_scale.empty()) return factors;
  std::vector<float> result;
  result.reserve(state.picture_scale.size() * factors.size());
  for (const float scale : state.picture_scale) {
    for (const float factor : factors) result.push_back(scale * factor);
  }
  return result;
}

}  // namespace

void norm_forward(const Pass& pass, const LearnStep& step, StepState& state) {
  const bool by_picture = !state.picture_scale.empty();
  const NormPieces pieces(step.in, by_picture);
  const auto channels = static_cast<std::size_t>(pieces.channels);
  for (std::vector<float>* values : {&state.mean, &state.inverse, &state.scale, &state.shift})
    values->assign(channels, 0);
  take_statistics(pass, step, state, step.epsilon);
  for (std::size_t i = 0; i < static_cast<std::size_t>(step.in.channels); ++i) {
    state.scale[i] = state.weight->value[i] * state.inverse[i];
    state.shift[i] = state.bias->value[i] - state.mean[i] * state.scale[i];
  }
  const std::vector<float> scale = times_pictures(state, state.scale);
  const std::vector<float> shift = times_pictures(state, state.shift);
  const float* x = pass.buffer(step.input);
  const float* residual = pass.buffer(step.residual);
  float* y = pass.buffer(step.output);
  pieces.for_each(pass.team, [&](std::int64_t piece, std::int64_t at, std::int64_t n) {
    const std::int64_t own = by_picture ? piece * pieces.channels : 0;
    pass.training.normalize(x + at, residual == nullptr ? nullptr : residual + at, n, pieces.channels,
                            scale.data() + own, shift.data() + own, step.relu, y + at);
  });
}

void norm_backward(const Pass& pass, const LearnStep& step, StepState& state) {
  const bool by_picture = !state.picture_scale.empty();
  const NormPieces pieces(step.in, by_picture);
  const bool residual = step.residual >= 0;
  const ReluMask mask = !step.relu ? ReluMask::kNone : residual ? ReluMask::kFromOutput : ReluMask::kFromInput;
  const float* x = pass.buffer(step.input);
  const float* y = pass.buffer(step.output);
  float* dy = pass.buffer(step.gradient);
  const bool write = step.relu && residual;
  const std::vector<double> sums =
      pieces.sum(pass.team, state.picture_scale, [&](std::int64_t at, std::int64_t n, double* to) {
        pass.training.add_gradient_sums(dy + at, x + at, y + at, n, pieces.channels, state.scale.data(),
                                        state.shift.data(), state.mean.data(), mask, write ? dy + at : nullptr, to);
      });
  const auto channels = static_cast<std::size_t>(pieces.channels);
  std::vector<float> b(channels), c(channels);
  if (step.learns) {
    const auto n = static_cast<double>(pieces.pixels);
    for (std::size_t i = 0; i < static_cast<std::size_t>(step.in.channels); ++i) {
      state.bias->gradient[i] += static_cast<float>(sums[i]);
      state.weight->gradient[i] += static_cast<float>(sums[channels + i] * state.inverse[i]);
      const double a = state.scale[i];
      const double factor = -a * state.inverse[i] * state.inverse[i] * sums[channels + i] / n;
      b[i] = static_cast<float>(factor);
      c[i] = static_cast<float>(-a * sums[i] / n - factor * state.mean[i]);
    }
  }
  if (step.residual_before >= 0) add_values(pass, step.out, dy, pass.buffer(step.residual_before), true);
  if (step.input_gradient < 0) return;
  const std::vector<float> a = times_pictures(state, state.scale);
  float* dx = pass.buffer(step.input_gradient);
  pieces.for_each(pass.team, [&](std::int64_t piece, std::int64_t at, std::int64_t n) {
    const std::int64_t own = by_picture ? piece * pieces.channels : 0;
    pass.training.normalize_gradient(dy + at, x + at, n, pieces.channels, state.scale.data(), state.shift.data(),
                                     write ? ReluMask::kNone : mask, a.data() + own, b.data(), c.data(), dx + at);
  });
  if (step.input_before >= 0) add_values(pass, step.in, dx, pass.buffer(step.input_before), true);
}

}  // namespace resnet
