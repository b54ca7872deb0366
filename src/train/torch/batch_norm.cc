#include "train/torch/batch_norm.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "base/error.h"
#include "train/torch/batch_norm_kernels.h"

namespace resnet {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kNhwc = at::MemoryFormat::ChannelsLast;

// The pixels of an NHWC tensor cut into pieces for threads. Their number depends on the tensor alone, so that sums do
// not depend on the number of threads.
struct Pieces {
  std::int64_t rows, channels, count;

  explicit Pieces(const Tensor& x)
      : rows(x.size(0) * x.size(2) * x.size(3)),
        channels(x.size(1)),
        count(std::clamp<std::int64_t>(x.numel() >> 14, 1, 64)) {}

  // work(piece, first row, rows)
  template <typename Work>
  void for_each(const Work& work) const {
    at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const std::int64_t first = rows * piece / count;
        work(piece, first, rows * (piece + 1) / count - first);
      }
    });
  }

  // Adds up what add(first row, rows, sums) puts into 2 * channels sums.
  template <typename Add>
  std::vector<double> sum(const Add& add) const {
    std::vector<double> sums(count * 2 * channels);
    for_each([&](std::int64_t piece, std::int64_t first, std::int64_t n) {
      add(first, n, sums.data() + piece * 2 * channels);
    });
    for (std::int64_t piece = 1; piece < count; ++piece) {
      for (std::int64_t i = 0; i < 2 * channels; ++i) sums[i] += sums[piece * 2 * channels + i];
    }
    sums.resize(2 * channels);
    return sums;
  }
};

// The kernels' view of a tensor's values.
template <typename T>
T* values(const Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

// Calls work(the kernels) for the type of the values and chosen_isa().
template <typename Work>
void with_kernels(const Tensor& x, const Work& work) {
  const Isa isa = chosen_isa();
  x.scalar_type() == torch::kFloat ? work(batch_norm::kernels_for<float>(isa))
                                   : work(batch_norm::kernels_for<batch_norm::BFloat16>(isa));
}

bool is_fusible(const Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16) &&
         x.dim() == 4 && x.numel() > 0 && x.is_contiguous(kNhwc);
}

// `rows` values a channel, of all processes, are what statistics are taken over.
void check_rows(double rows, const Tensor& x, const std::string& where) {
  if (rows != 1) return;
  fail(ErrorCode::kInvalidArgument, where,
       "expected more than one value per channel in training, got an input of {}: give it more pictures at a time, or "
       "larger ones",
       fmt::join(x.sizes().begin(), x.sizes().end(), "x"));
}

// Per channel: y = scale * x + bias.
struct Affine {
  std::vector<float> scale, bias;

  Affine(const Tensor& weight, const Tensor& shift, const float* mean, const float* deviation_inverse)
      : scale(weight.numel()), bias(weight.numel()) {
    const float* w = weight.const_data_ptr<float>();
    const float* b = shift.const_data_ptr<float>();
    for (std::size_t i = 0; i < scale.size(); ++i) {
      scale[i] = w[i] * deviation_inverse[i];
      bias[i] = b[i] - mean[i] * scale[i];
    }
  }
};

Tensor normalize(const Tensor& x, const Tensor& residual, const Affine& affine, bool relu) {
  Tensor y = torch::empty_like(x, kNhwc);
  const Pieces pieces(x);
  with_kernels(x, [&]<typename T>(const batch_norm::Kernels<T>& kernels) {
    pieces.for_each([&](std::int64_t, std::int64_t first, std::int64_t n) {
      const std::int64_t at = first * pieces.channels;
      kernels.apply(values<T>(x) + at, residual.defined() ? values<T>(residual) + at : nullptr, n, pieces.channels,
                    affine.scale.data(), affine.bias.data(), relu, values<T>(y) + at);
    });
  });
  return y;
}

// The sums over a batch of which every process has a part: the pixels that they are over, and 2 * channels sums.
struct Across : torch::CustomClassHolder {
  explicit Across(SumAcross function) : sum_across(std::move(function)) {}

  // Replaces rows and sums with those of all processes.
  void operator()(double& rows, std::vector<double>& sums) const {
    torch::Tensor values = torch::empty({static_cast<std::int64_t>(sums.size()) + 1}, torch::kDouble);
    double* value = values.mutable_data_ptr<double>();
    value[0] = rows;
    std::copy(sums.begin(), sums.end(), value + 1);
    sum_across(values);
    value = values.mutable_data_ptr<double>();
    rows = value[0];
    std::copy_n(value + 1, sums.size(), sums.begin());
  }

  SumAcross sum_across;
};

// Sums of x - shift and (x - shift)^2 as sums of x and x^2, which do not depend on a process's shift.
void remove_shift(std::vector<double>& sums, double rows, std::vector<float>& shift) {
  const std::size_t channels = shift.size();
  for (std::size_t i = 0; i < channels; ++i) {
    const double s = shift[i];
    sums[channels + i] += s * (2 * sums[i] + s * rows);
    sums[i] += s * rows;
    shift[i] = 0;
  }
}

struct Fused : torch::autograd::Function<Fused> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const std::optional<Tensor>& shortcut, Tensor running_mean, Tensor running_var, double momentum,
                        double eps, bool relu, const c10::intrusive_ptr<Across>& across, const std::string& where) {
    const Tensor residual = shortcut.value_or(Tensor());
    const Pieces pieces(x);
    const std::int64_t channels = pieces.channels;
    Tensor statistics = torch::empty({2, channels}, torch::kFloat);  // mean, 1 / deviation
    float* mean = statistics.mutable_data_ptr<float>();
    float* inverse = mean + channels;
    with_kernels(x, [&]<typename T>(const batch_norm::Kernels<T>& kernels) {
      std::vector<float> shift(channels);
      const Tensor first_row = x[0].select(1, 0).select(1, 0).to(torch::kFloat).contiguous();
      std::copy_n(first_row.const_data_ptr<float>(), channels, shift.data());
      std::vector<double> sums = pieces.sum([&](std::int64_t first, std::int64_t n, double* out) {
        kernels.add_moments(values<T>(x) + first * channels, n, channels, shift.data(), out);
      });
      auto n = static_cast<double>(pieces.rows);
      if (across) {
        remove_shift(sums, n, shift);
        (*across)(n, sums);
      }
      check_rows(n, x, where);
      float* kept_mean = running_mean.mutable_data_ptr<float>();
      float* kept_var = running_var.mutable_data_ptr<float>();
      for (std::int64_t i = 0; i < channels; ++i) {
        const double offset = sums[i] / n;
        const double variance = std::max(0.0, sums[channels + i] / n - offset * offset);
        mean[i] = static_cast<float>(shift[i] + offset);
        inverse[i] = static_cast<float>(1 / std::sqrt(variance + eps));
        const double unbiased = variance * n / std::max(1.0, n - 1);
        kept_mean[i] = static_cast<float>((1 - momentum) * kept_mean[i] + momentum * mean[i]);
        kept_var[i] = static_cast<float>((1 - momentum) * kept_var[i] + momentum * unbiased);
      }
    });
    Tensor y = normalize(x, residual, Affine(weight, bias, mean, inverse), relu);
    const bool by_output = relu && residual.defined();
    context->save_for_backward({x, weight, bias, statistics, by_output ? y : Tensor()});
    context->saved_data["relu"] = relu;
    context->saved_data["residual"] = residual.defined();
    if (across) context->saved_data["across"] = c10::IValue::make_capsule(across);
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& x = saved[0];
    const Tensor& weight = saved[1];
    const Tensor& statistics = saved[3];
    const Tensor& y = saved[4];
    const Tensor dy = gradients[0].contiguous(kNhwc);
    const bool relu = context->saved_data["relu"].toBool();
    const bool residual = context->saved_data["residual"].toBool();
    const Pieces pieces(x);
    const std::int64_t channels = pieces.channels;
    const float* mean = statistics.const_data_ptr<float>();
    const float* inverse = mean + channels;
    const Affine affine(weight, saved[2], mean, inverse);
    const batch_norm::Mask mask = !relu      ? batch_norm::Mask::kNone
                                  : residual ? batch_norm::Mask::kFromOutput
                                             : batch_norm::Mask::kFromInput;
    Tensor masked = relu && residual ? torch::empty_like(x, kNhwc) : Tensor();
    Tensor dx = torch::empty_like(x, kNhwc);
    Tensor dweight = torch::empty_like(weight);
    Tensor dbias = torch::empty_like(weight);
    with_kernels(x, [&]<typename T>(const batch_norm::Kernels<T>& kernels) {
      std::vector<double> sums = pieces.sum([&](std::int64_t first, std::int64_t n, double* out) {
        const std::int64_t at = first * channels;
        kernels.add_gradient_sums(values<T>(dy) + at, values<T>(x) + at, y.defined() ? values<T>(y) + at : nullptr, n,
                                  channels, affine.scale.data(), affine.bias.data(), mean, mask,
                                  masked.defined() ? values<T>(masked) + at : nullptr, out);
      });
      for (std::int64_t i = 0; i < channels; ++i) {
        dbias.mutable_data_ptr<float>()[i] = static_cast<float>(sums[i]);
        dweight.mutable_data_ptr<float>()[i] = static_cast<float>(sums[channels + i] * inverse[i]);
      }
      auto n = static_cast<double>(pieces.rows);
      const auto across = context->saved_data.find("across");
      if (across != context->saved_data.end()) {
        (*c10::static_intrusive_pointer_cast<Across>(across->second.toCapsule()))(n, sums);
      }
      std::vector<float> b(channels), c(channels);
      for (std::int64_t i = 0; i < channels; ++i) {
        const double a = affine.scale[i];
        const double factor = -a * inverse[i] * inverse[i] * sums[channels + i] / n;
        b[i] = static_cast<float>(factor);
        c[i] = static_cast<float>(-a * sums[i] / n - factor * mean[i]);
      }
      const Tensor& g = masked.defined() ? masked : dy;
      const batch_norm::Mask rest = masked.defined() ? batch_norm::Mask::kNone : mask;
      pieces.for_each([&](std::int64_t, std::int64_t first, std::int64_t rows) {
        const std::int64_t at = first * channels;
        kernels.apply_gradient(values<T>(g) + at, values<T>(x) + at, rows, channels, affine.scale.data(),
                               affine.bias.data(), rest, affine.scale.data(), b.data(), c.data(), values<T>(dx) + at);
      });
    });
    const Tensor dresidual = !residual ? Tensor() : masked.defined() ? masked : dy;
    return {dx, dweight, dbias, dresidual, Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

Tensor one_by_one(torch::nn::BatchNorm2dImpl& norm, const Tensor& x, const Tensor& residual, bool relu) {
  Tensor y = torch::batch_norm(x, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.is_training(),
                               *norm.options.momentum(), norm.options.eps(), /*cudnn_enabled=*/true);
  if (residual.defined()) y = y + residual;
  return relu ? y.relu_() : y;
}

}  // namespace

Tensor batch_norm_add_relu(torch::nn::BatchNorm2dImpl& norm, const Tensor& x, const Tensor& residual, bool relu,
                           const SumAcross& sum_across, const std::string& where) {
  const bool training = norm.is_training();
  const bool fusible = is_fusible(x) && (!residual.defined() ||
                                         (residual.is_contiguous(kNhwc) && residual.scalar_type() == x.scalar_type()));
  if (training && sum_across && !fusible) {
    fail(ErrorCode::kUnsupported, where,
         "statistics over processes need float32 or bfloat16 in memory format channels_last on a CPU");
  }
  if (training && !sum_across)
    check_rows(static_cast<double>(x.numel() / std::max<std::int64_t>(x.size(1), 1)), x, where);
  if (training) norm.num_batches_tracked += 1;
  if (!fusible) return one_by_one(norm, x, residual, relu);
  if (training) {
    const std::optional<Tensor> shortcut = residual.defined() ? std::optional(residual) : std::nullopt;
    return Fused::apply(x, norm.weight, norm.bias, shortcut, norm.running_mean, norm.running_var,
                        *norm.options.momentum(), norm.options.eps(), relu,
                        sum_across ? c10::make_intrusive<Across>(sum_across) : c10::intrusive_ptr<Across>(), where);
  }
  if (torch::GradMode::is_enabled()) return one_by_one(norm, x, residual, relu);
  const Tensor inverse = torch::rsqrt(norm.running_var + norm.options.eps());
  const Affine affine(norm.weight, norm.bias, norm.running_mean.const_data_ptr<float>(),
                      inverse.const_data_ptr<float>());
  return normalize(x, residual, affine, relu);
}

}  // namespace resnet
