// Convolutions and linear layers: packing, and what a step of the pass makes of them.
#include <algorithm>

#include "learn/passes.h"

namespace resnet {
namespace {

// Calls work(begin, end) for parts of `channels` channels that begin at multiples of `unit`.
template <typename Work>
void share_channels(ThreadPool& team, int channels, int unit, Work work) {
  const int units = (channels + unit - 1) / unit;
  const int tasks = std::min(units, 4 * team.threads());
  team.run(tasks, [&](int task, int) {
    const int begin = units * task / tasks * unit;
    const int end = std::min(units * (task + 1) / tasks * unit, channels);
    if (begin < end) work(begin, end);
  });
}

void pack_weights(ThreadPool& team, const ConvAlgorithm& algorithm, const ConvShape& shape, const float* weights,
                  AlignedBuffer<std::byte>& packed) {
  const std::size_t bytes = algorithm.packed_bytes(shape);
  if (packed.size() != bytes) packed = AlignedBuffer<std::byte>(bytes);
  const std::int64_t row = std::int64_t{shape.in_channels} / shape.groups * shape.kernel * shape.kernel;
  share_channels(team, shape.out_channels, algorithm.pack_unit(shape),
                 [&](int begin, int end) { algorithm.pack(shape, begin, end, weights + begin * row, packed.data()); });
}

void weight_backward(const Pass& pass, const LearnStep& step, StepState& state) {
  const LayerPlan& layer = step.layer;
  WeightGradientCall call;
  call.shape = layer.shape;
  call.input = pass.input(step);
  call.gradient = pass.buffer(step.gradient);
  call.sums = pass.buffer(layer.sums);
  pass.team.run(layer.parts.count(),
                [&](int part, int) { pass.training.weight_gradient(weight_gradient_part(call, layer.parts, part)); });
  share_channels(pass.team, layer.shape.out_channels, kChannelBlock, [&](int begin, int end) {
    collect_weight_gradient(layer.shape, call.sums, layer.parts.pixels, begin, end, state.weight->gradient.data());
  });
  if (state.bias == nullptr) return;
  const int channels = channels_of(step.out);
  const std::vector<float> zeros(static_cast<std::size_t>(channels));
  std::vector<double> sums(2 * static_cast<std::size_t>(channels));
  pass.training.add_moments(call.gradient, pixels_of(step.out), channels, zeros.data(), sums.data());
  for (std::size_t i = 0; i < state.bias->gradient.size(); ++i) {
    state.bias->gradient[i] += static_cast<float>(sums[i]);
  }
}

void input_backward(const Pass& pass, const LearnStep& step, StepState& state) {
  const LayerPlan& layer = step.layer;
  const ConvShape& s = layer.shape;
  const ConvShape& t = layer.turned;
  const std::vector<float> zeros(static_cast<std::size_t>(channels_of(step.in)));
  ConvCall call;
  call.shape = t;
  call.weights = state.packed_turned.data();
  call.bias = zeros.data();
  call.residual = t.residual ? pass.buffer(step.input_before) : nullptr;
  call.input = pass.buffer(step.gradient);
  float* dx = pass.buffer(step.input_gradient);
  call.output = dx;
  if (layer.spread < 0) return run_layer(pass, *layer.backward, call);
  float* spread = pass.buffer(layer.spread);
  const auto spread_pictures = [&](const SpreadShape& shape, const float* from, float* to, bool add) {
    pass.team.run(s.batch, [&](int picture, int) { spread_gradient(shape, from, to, add, picture, picture + 1); });
  };
  if (s.kernel == 1) {
    call.output = spread;
    run_layer(pass, *layer.backward, call);
    return spread_pictures({s.in_channels, s.stride, s.out_height, s.out_width, s.in_height, s.in_width}, spread, dx,
                           step.input_before >= 0);
  }
  spread_pictures({s.out_channels, s.stride, s.out_height, s.out_width, t.in_height, t.in_width},
                  pass.buffer(step.gradient), spread, false);
  call.input = spread;
  run_layer(pass, *layer.backward, call);
}

}  // namespace

void run_layer(const Pass& pass, const ConvAlgorithm& algorithm, const ConvCall& call) {
  const int tasks = algorithm.tasks(call.shape, pass.team.threads());
  pass.team.run(tasks, [&](int task, int worker) {
    algorithm.run(call, task, tasks, pass.scratch[static_cast<std::size_t>(worker)].data());
  });
}

void pack_layer(const Pass& pass, const LearnStep& step, StepState& state, bool turned) {
  const LayerPlan& layer = step.layer;
  const float* weights = state.weight->value.data();
  if (!turned) {
    pack_weights(pass.team, *layer.forward, layer.shape, weights, state.packed);
    const auto channels = static_cast<std::size_t>(channels_of(step.out));
    if (state.padded_bias.size() != channels) state.padded_bias = AlignedBuffer<float>(channels, /*zeroed=*/true);
    if (state.bias != nullptr) {
      std::copy_n(state.bias->value.data(), state.bias->value.size(), state.padded_bias.data());
    }
    return;
  }
  if (state.turned.size() != state.weight->value.size()) {
    state.turned = AlignedBuffer<float>(state.weight->value.size());
  }
  share_channels(pass.team, layer.shape.in_channels, kChannelBlock,
                 [&](int begin, int end) { turn_weights(layer.shape, weights, begin, end, state.turned.data()); });
  pack_weights(pass.team, *layer.backward, layer.turned, state.turned.data(), state.packed_turned);
}

void layer_backward(const Pass& pass, const LearnStep& step, StepState& state) {
  if (step.learns) weight_backward(pass, step, state);
  if (step.layer.backward != nullptr) input_backward(pass, step, state);
}

}  // namespace resnet
