#include "engine/execute.h"

#include <algorithm>

#include "engine/layout.h"

namespace resnet {
namespace {

// Calls work(begin, end) for each task's part of `count` things.
template <typename Work>
void share_out(const StepTeam& team, std::int64_t count, Work work) noexcept {
  const int tasks = team.tasks;
  team.pool.run_on(team.threads, tasks, [&](int task, int) { work(count * task / tasks, count * (task + 1) / tasks); });
}

void run_conv(const PlanStep& step, std::byte* arena, const StepTeam& team) noexcept {
  ConvCall call;
  call.shape = step.conv;
  call.input = arena + step.input_offset;
  call.weights = step.constants.weights;
  call.bias = step.constants.bias;
  call.residual = step.conv.residual ? arena + step.residual_offset : nullptr;
  call.output = arena + step.output_offset;
  call.scale = step.constants.scale;
  call.residual_scale = step.operation.residual.format.scale / step.operation.output.format.scale;
  call.zero_point = step.operation.input.format.zero_point;
  team.pool.run_on(team.threads, team.tasks, [&](int task, int worker) {
    step.algorithm->run(call, task, team.tasks, team.scratch[static_cast<std::size_t>(worker)].data());
  });
}

}  // namespace

void Workspace::fit(const Plan& plan) {
  if (arena.size() < plan.arena_bytes) {
    arena = {};
    arena = AlignedBuffer<std::byte>(plan.arena_bytes);
  }
  for (AlignedBuffer<std::byte>& own : scratch) {
    if (own.size() < plan.scratch_bytes) own = AlignedBuffer<std::byte>(plan.scratch_bytes);
  }
}

void run_step(const PlanStep& step, const Kernels& kernels, const float* input, Workspace& workspace) noexcept {
  run_step(step, kernels, input, workspace.arena.data(),
           {workspace.team, workspace.scratch, step.tasks, workspace.team.threads()});
}

void run_step(const PlanStep& step, const Kernels& kernels, const float* input, std::byte* arena,
              const StepTeam& team) noexcept {
  const std::byte* in = arena + step.input_offset;
  std::byte* out = arena + step.output_offset;
  const ValueFormat& in_format = step.operation.input.format;
  const ValueFormat& out_format = step.operation.output.format;
  const FeatureShape& shape = step.output_shape;
  const std::int64_t rows = shape.batch * shape.height;
  const std::int64_t pixels = rows * shape.width;
  const int channels = padded_channels(static_cast<int>(shape.channels));
  const auto* floats = reinterpret_cast<const float*>(in);  // of steps that know no other type
  auto* out_floats = reinterpret_cast<float*>(out);
  const auto curve = [&](std::int64_t begin, std::int64_t end) {  // pixels of the output
    if (step.curve == Curve::kNone) return;
    kernels.curve(step.curve, step.negative_slope, out_floats, static_cast<std::size_t>(begin * channels),
                  static_cast<std::size_t>(end * channels));
  };
  if (step.operation.converts) {
    return share_out(team, pixels, [&](std::int64_t begin, std::int64_t end) {
      kernels.convert(in_format, in, out_format, out, static_cast<std::size_t>(begin * channels),
                      static_cast<std::size_t>(end * channels));
    });
  }
  switch (step.op) {
    case Op::kInput:
      return share_out(team, rows, [&](std::int64_t begin, std::int64_t end) {
        to_kernel_layout(kernels, shape, step.output_pitch, input, out_format, out, begin, end);
      });
    case Op::kConv:
    case Op::kLinear: return run_conv(step, arena, team);
    case Op::kBatchNorm:
      return share_out(team, pixels, [&](std::int64_t begin, std::int64_t end) {
        kernels.scale_shift(floats, static_cast<const float*>(step.constants.weights), step.constants.bias, out_floats,
                            channels, step.relu, begin, end);
        curve(begin, end);
      });
    case Op::kAdd:
    case Op::kActivation:
    case Op::kFlatten: {
      const auto* residual = reinterpret_cast<const float*>(arena + step.residual_offset);
      return share_out(team, pixels, [&](std::int64_t begin, std::int64_t end) {
        kernels.add(floats, step.op == Op::kAdd ? residual : nullptr, out_floats, step.relu,
                    static_cast<std::size_t>(begin * channels), static_cast<std::size_t>(end * channels));
        curve(begin, end);
      });
    }
    case Op::kMaxPool:
    case Op::kGlobalMaxPool:
    case Op::kAveragePool: {
      const auto pool = step.op == Op::kAveragePool ? kernels.average_pool : kernels.max_pool;
      return share_out(team, rows, [&](std::int64_t begin, std::int64_t end) {
        pool(step.pool, in, out, static_cast<int>(begin), static_cast<int>(end));
      });
    }
    case Op::kBlur:
      return share_out(team, rows, [&](std::int64_t begin, std::int64_t end) {
        kernels.blur(step.pool, floats, out_floats, static_cast<int>(begin), static_cast<int>(end));
      });
    case Op::kConcat:
      return share_out(team, pixels, [&](std::int64_t begin, std::int64_t end) {
        const std::byte* second = arena + step.residual_offset;
        concatenate(step.input_shape, shape, floats, reinterpret_cast<const float*>(second), out_floats, begin, end);
      });
    case Op::kPadShortcut:
      return share_out(team, rows, [&](std::int64_t begin, std::int64_t end) {
        pad_shortcut(step.input_shape, shape, step.pool.stride, in_format, in, out, begin, end);
      });
    case Op::kGlobalAveragePool:
      return share_out(team, shape.batch, [&](std::int64_t begin, std::int64_t end) {
        kernels.global_average_pool(step.pool, in, out, static_cast<int>(begin), static_cast<int>(end));
      });
  }
}

void copy_logits(const Plan& plan, const Workspace& workspace, std::span<float> logits) noexcept {
  const PlanStep& last = plan.steps.back();
  const std::int64_t classes = last.output_shape.channels;
  const std::int64_t row = padded_channels(static_cast<int>(classes));
  const auto* values = reinterpret_cast<const float*>(workspace.arena.data() + last.output_offset);
  for (std::int64_t image = 0; image < last.output_shape.batch; ++image) {
    std::copy_n(values + image * row, classes, logits.data() + image * classes);
  }
}

}  // namespace resnet
