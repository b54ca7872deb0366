// What forward and backward passes share: the state of each step beside its values, and threads.
#pragma once

#include <algorithm>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "kernels/training.h"
#include "learn/plan.h"
#include "learn/weights.h"

namespace resnet {

// Of a layer or a batch norm, as long as the plan lives.
struct StepState {
  LearnedTensor* weight = nullptr;
  LearnedTensor* bias = nullptr;
  LearnedTensor* running_mean = nullptr;
  LearnedTensor* running_var = nullptr;

  // Of layers.
  AlignedBuffer<std::byte> packed, packed_turned;
  AlignedBuffer<float> turned;
  AlignedBuffer<float> padded_bias;

  // Of batch norms, per padded channel.
  std::vector<float> mean, inverse, scale, shift;
  std::vector<float> picture_scale;  // stochastic depth: what F(x) of each picture is multiplied by; else empty
};

struct Pass {
  const Kernels& kernels;
  const TrainingKernels& training;
  ThreadPool& team;
  const LearnPlan& plan;
  std::vector<StepState>& states;
  AlignedBuffer<float>& arena;
  std::vector<AlignedBuffer<std::byte>>& scratch;  // of each thread
  const float* pictures;                           // dense

  float* buffer(int number) const {
    return number < 0 ? nullptr : arena.data() + plan.offsets[static_cast<std::size_t>(number)];
  }
  const float* input(const LearnStep& step) const { return step.input < 0 ? pictures : buffer(step.input); }

  // Calls work(begin, end) for parts of `count` things of `bytes` bytes in all; small ones are not worth waking
  // anybody.
  template <typename Work>
  void share_out(std::int64_t count, std::int64_t bytes, Work work) const noexcept {
    constexpr std::int64_t kBytesPerTask = 65'536;
    const std::int64_t most = std::min<std::int64_t>(count, 4 * team.threads());
    const auto tasks = static_cast<int>(std::max<std::int64_t>(1, std::min(bytes / kBytesPerTask, most)));
    team.run(tasks, [&](int task, int) { work(count * task / tasks, count * (task + 1) / tasks); });
  }
};

inline std::int64_t pixels_of(const FeatureShape& shape) { return shape.batch * shape.height * shape.width; }
inline int channels_of(const FeatureShape& shape) { return padded_channels(static_cast<int>(shape.channels)); }
inline std::int64_t bytes_of_values(const FeatureShape& shape) {
  return pixels_of(shape) * channels_of(shape) * std::int64_t{sizeof(float)};
}

// to += from, or a copy.
void add_values(const Pass& pass, const FeatureShape& shape, const float* from, float* to, bool add);

// A convolution by the algorithm, on the team.
void run_layer(const Pass& pass, const ConvAlgorithm& algorithm, const ConvCall& call);

// Weights as the layer's algorithm wants them, and with `turned` as that of the input's gradient does.
void pack_layer(const Pass& pass, const LearnStep& step, StepState& state, bool turned);

void layer_backward(const Pass& pass, const LearnStep& step, StepState& state);

// A batch norm with its epilogue.
void norm_forward(const Pass& pass, const LearnStep& step, StepState& state);
void norm_backward(const Pass& pass, const LearnStep& step, StepState& state);

void run_forward(const Pass& pass, const LearnStep& step, StepState& state);
void run_backward(const Pass& pass, const LearnStep& step, StepState& state);

}  // namespace resnet
