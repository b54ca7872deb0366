#include "learn/passes.h"

#include <algorithm>

#include "engine/layout.h"

namespace resnet {
namespace {

// Pictures as they come, with channels padded.
void pad_pictures(const Pass& pass, const LearnStep& step) {
  const std::int64_t channels = step.out.channels;
  const std::int64_t pitch = channels_of(step.out);
  float* to = pass.buffer(step.output);
  pass.share_out(pixels_of(step.out), bytes_of_values(step.out), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      std::copy_n(pass.pictures + pixel * channels, channels, to + pixel * pitch);
      std::fill(to + pixel * pitch + channels, to + (pixel + 1) * pitch, 0.0F);
    }
  });
}

void forward_layer(const Pass& pass, const LearnStep& step, const StepState& state) {
  ConvCall call;
  call.shape = step.layer.shape;
  call.input = pass.input(step);
  call.weights = state.packed.data();
  call.bias = state.padded_bias.data();
  call.output = pass.buffer(step.output);
  run_layer(pass, *step.layer.forward, call);
}

void add_forward(const Pass& pass, const LearnStep& step, const float* residual) {
  const float* x = pass.buffer(step.input);
  float* y = pass.buffer(step.output);
  const auto channels = static_cast<std::size_t>(channels_of(step.out));
  pass.share_out(pixels_of(step.out), bytes_of_values(step.out), [&](std::int64_t begin, std::int64_t end) {
    const auto first = static_cast<std::size_t>(begin) * channels;
    const auto last = static_cast<std::size_t>(end) * channels;
    pass.kernels.add(x, residual, y, step.relu, first, last);
    if (step.curve != Curve::kNone) pass.kernels.curve(step.curve, step.slope, y, first, last);
  });
}

// gradient *= the activation's slope, seen from `values`.
void mask_gradient(const Pass& pass, const LearnStep& step, const float* values) {
  float* gradient = pass.buffer(step.gradient);
  const auto channels = static_cast<std::size_t>(channels_of(step.out));
  pass.share_out(pixels_of(step.out), bytes_of_values(step.out), [&](std::int64_t begin, std::int64_t end) {
    pass.training.activation_gradient(step.curve, step.slope, values, gradient,
                                      static_cast<std::size_t>(begin) * channels,
                                      static_cast<std::size_t>(end) * channels);
  });
}

// The gradient is the input's, in its place or added to what is there.
void pass_gradient_on(const Pass& pass, const LearnStep& step) {
  if (step.input_before < 0) return;
  add_values(pass, step.in, pass.buffer(step.gradient), pass.buffer(step.input_before), true);
}

void concat_backward(const Pass& pass, const LearnStep& step) {
  const float* dy = pass.buffer(step.gradient);
  const auto all = static_cast<int>(step.out.channels);
  const auto first = static_cast<int>(step.in.channels);
  const auto take = [&](int from, int channels, int buffer, int before) {
    if (buffer < 0) return;
    FeatureShape shape = step.out;
    shape.channels = channels;
    take_channels(dy, all, from, channels, pass.buffer(buffer), 0, pixels_of(shape));
    if (before >= 0) add_values(pass, shape, pass.buffer(buffer), pass.buffer(before), true);
  };
  take(first, all - first, step.residual_gradient, step.residual_before);
  take(0, first, step.input_gradient, step.input_before);
}

// Of an operation that works picture by picture: pictures(begin, end).
template <typename Pictures>
void pictures_backward(const Pass& pass, const LearnStep& step, Pictures pictures) {
  if (step.input_gradient < 0) return;
  pass.share_out(step.in.batch, bytes_of_values(step.in), [&](std::int64_t begin, std::int64_t end) {
    pictures(static_cast<int>(begin), static_cast<int>(end));
  });
  if (step.input_before < 0) return;
  add_values(pass, step.in, pass.buffer(step.input_gradient), pass.buffer(step.input_before), true);
}

}  // namespace

void add_values(const Pass& pass, const FeatureShape& shape, const float* from, float* to, bool add) {
  const auto channels = static_cast<std::size_t>(channels_of(shape));
  pass.share_out(pixels_of(shape), bytes_of_values(shape), [&](std::int64_t begin, std::int64_t end) {
    const auto first = static_cast<std::size_t>(begin) * channels;
    pass.kernels.add(from, add ? to : nullptr, to, false, first, static_cast<std::size_t>(end) * channels);
  });
}

void run_forward(const Pass& pass, const LearnStep& step, StepState& state) {
  const float* x = pass.buffer(step.input);
  float* y = pass.buffer(step.output);
  const std::int64_t rows = step.out.batch * step.out.height;
  const std::int64_t bytes = bytes_of_values(step.in) + bytes_of_values(step.out);
  switch (step.op) {
    case Op::kInput:
      if (step.output >= 0) pad_pictures(pass, step);
      return;
    case Op::kConv:
    case Op::kLinear: return forward_layer(pass, step, state);
    case Op::kBatchNorm: return norm_forward(pass, step, state);
    case Op::kActivation:
    case Op::kFlatten: return add_forward(pass, step, nullptr);
    case Op::kAdd: return add_forward(pass, step, pass.buffer(step.residual));
    case Op::kMaxPool:
    case Op::kGlobalMaxPool:
    case Op::kAveragePool: {
      const auto pool = step.op == Op::kAveragePool ? pass.kernels.average_pool : pass.kernels.max_pool;
      return pass.share_out(rows, bytes, [&](std::int64_t begin, std::int64_t end) {
        pool(step.pool, x, y, static_cast<int>(begin), static_cast<int>(end));
      });
    }
    case Op::kBlur:
      return pass.share_out(rows, bytes, [&](std::int64_t begin, std::int64_t end) {
        pass.kernels.blur(step.pool, x, y, static_cast<int>(begin), static_cast<int>(end));
      });
    case Op::kPadShortcut:
      return pass.share_out(rows, bytes, [&](std::int64_t begin, std::int64_t end) {
        pad_shortcut(step.in, step.out, step.pool.stride, {}, x, y, begin, end);
      });
    case Op::kConcat: return concatenate(step.in, step.out, x, pass.buffer(step.residual), y, 0, pixels_of(step.out));
    case Op::kGlobalAveragePool:
      return pass.share_out(step.out.batch, bytes, [&](std::int64_t begin, std::int64_t end) {
        pass.kernels.global_average_pool(step.pool, x, y, static_cast<int>(begin), static_cast<int>(end));
      });
  }
}

void run_backward(const Pass& pass, const LearnStep& step, StepState& state) {
  if (step.gradient < 0) return;
  const float* dy = pass.buffer(step.gradient);
  float* dx = pass.buffer(step.input_gradient);
  const PoolShape& pool = step.pool;
  switch (step.op) {
    case Op::kInput: return;
    case Op::kConv:
    case Op::kLinear: return layer_backward(pass, step, state);
    case Op::kBatchNorm: return norm_backward(pass, step, state);
    case Op::kActivation:
      mask_gradient(pass, step, pass.buffer(step.relu ? step.output : step.input));
      return pass_gradient_on(pass, step);
    case Op::kFlatten: return pass_gradient_on(pass, step);
    case Op::kAdd:
      if (step.relu) mask_gradient(pass, step, pass.buffer(step.output));
      if (step.residual_before >= 0) {
        add_values(pass, step.out, dy, pass.buffer(step.residual_before), true);
      } else if (step.residual_gradient >= 0) {
        add_values(pass, step.out, dy, pass.buffer(step.residual_gradient), false);
      }
      return pass_gradient_on(pass, step);
    case Op::kConcat: return concat_backward(pass, step);
    case Op::kMaxPool:
    case Op::kGlobalMaxPool:
      return pictures_backward(pass, step, [&](int begin, int end) {
        max_pool_gradient(pool, pass.buffer(step.input), dy, dx, begin, end);
      });
    case Op::kAveragePool:
      return pictures_backward(pass, step,
                               [&](int begin, int end) { average_pool_gradient(pool, dy, dx, begin, end); });
    case Op::kBlur:
      return pictures_backward(pass, step, [&](int begin, int end) { blur_gradient(pool, dy, dx, begin, end); });
    case Op::kPadShortcut:
      return pictures_backward(pass, step, [&](int begin, int end) {
        pad_shortcut_gradient(pool, static_cast<int>(step.out.channels), dy, dx, begin, end);
      });
    case Op::kGlobalAveragePool:
      return pictures_backward(pass, step,
                               [&](int begin, int end) { global_average_pool_gradient(pool, dy, dx, begin, end); });
  }
}

}  // namespace resnet
