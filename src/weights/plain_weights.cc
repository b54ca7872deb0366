#include "weights/plain_weights.h"

#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "resnet/graph.h"

namespace resnet {
namespace {

using Leaves = std::map<std::string_view, const Tensor*>;

bool ends_with_any(std::string_view text, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return text.ends_with(ending); });
}

class PlainWeights {
 public:
  PlainWeights(const StateDict& tensors, const std::string& where, std::vector<std::string>& notes)
      : where_(where), notes_(notes) {
    for (const auto& [name, tensor] : tensors) {
      const bool parametrized = name.ends_with(kParametrized);
      const std::size_t dot = parametrized ? name.size() - kParametrized.size() : name.rfind('.');
      const std::string_view text = name;
      modules_[text.substr(0, dot)][text.substr(dot + 1)] = &tensor;
      order_.emplace_back(text.substr(0, dot), text.substr(dot + 1));
    }
  }

  StateDict run(bool norms) {
    for (const auto& [module, leaf] : order_) take(module, leaf);
    if (!norms) return std::move(plain_);
    std::set<std::string_view> convs;
    for (const auto& [module, leaf] : order_) {
      if (is_conv(module) && convs.insert(module).second) complete_norm(module);
    }
    take_some_biases(convs);
    return std::move(plain_);
  }

 private:
  static constexpr std::string_view kParametrized = ".parametrizations.weight.original";

  const Tensor* find(std::string_view module, std::string_view leaf) const {
    const auto leaves = modules_.find(module);
    if (leaves == modules_.end()) return nullptr;
    const auto tensor = leaves->second.find(leaf);
    return tensor == leaves->second.end() ? nullptr : tensor->second;
  }

  bool is_conv(std::string_view module) const {
    const Tensor* weight = plain_.find(std::string(module) + ".weight");
    return weight != nullptr && weight->shape().size() == 4;
  }

  void note(std::string_view line) {
    if (said_.insert(std::string(line)).second) notes_.emplace_back(line);
  }

  [[noreturn]] void misfit(std::string_view module, std::string_view what) const {
    fail(ErrorCode::kMismatch, where_, "{}: {} do not go together", one_line(module), what);
  }

  void put(std::string_view module, std::string_view leaf, Tensor tensor) {
    plain_.add(fmt::format("{}.{}", module, leaf), std::move(tensor));
  }

  void take(std::string_view module, std::string_view leaf) {
    const Tensor& tensor = *find(module, leaf);
    if (leaf == "weight_orig" || leaf == "parametrizations.weight.original") {
      put(module, "weight", original(module, tensor));
    } else if (leaf == "bias_orig") {
      const Tensor* mask = find(module, "bias_mask");
      put(module, "bias", mask != nullptr ? masked(module, tensor, *mask) : tensor);
    } else if (leaf == "weight_g") {
      const Tensor* direction = find(module, "weight_v");
      if (direction == nullptr) misfit(module, "weight_g without weight_v");
      put(module, "weight", normed(module, tensor, *direction));
      note("weight norm was applied to the weights");
    } else if (leaf == "affine_weight") {
      put(module, "weight", tensor);
    } else if (!ends_with_any(leaf, {"weight_mask", "bias_mask", "weight_v", "weight_u"})) {
      put(module, leaf, tensor);
    }
  }

  Tensor original(std::string_view module, const Tensor& tensor) {
    if (const Tensor* mask = find(module, "weight_mask")) return masked(module, tensor, *mask);
    const Tensor* u = find(module, "weight_u");
    const Tensor* v = find(module, "weight_v");
    if (u == nullptr || v == nullptr) {
      fail(ErrorCode::kUnsupported, where_,
           "{}: its weight is parametrized in a way that is not known; remove it in PyTorch "
           "(torch.nn.utils.parametrize.remove_parametrizations) and save again",
           one_line(module));
    }
    note("spectral norm was applied to the weights");
    return spectral(module, tensor, *u, *v);
  }

  Tensor masked(std::string_view module, const Tensor& tensor, const Tensor& mask) {
    if (mask.shape() != tensor.shape()) misfit(module, "weight and mask");
    note("pruned weights were masked");
    const Tensor a = tensor.to_f32();
    const Tensor b = mask.to_f32();
    Tensor result = Tensor::zeros(DType::kF32, tensor.shape());
    const std::span<float> out = result.mutable_f32();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = b.f32()[i] == 0 ? 0.0F : a.f32()[i] * b.f32()[i];
    return result;
  }

  // g v / |v|, the norm of each filter, or of the whole where g is one number (Salimans and Kingma 2016,
  // arXiv:1602.07868).
  Tensor normed(std::string_view module, const Tensor& g, const Tensor& v) {
    const std::int64_t rows = g.count() == 1 ? 1 : v.shape().empty() ? 0 : v.shape()[0];
    if (rows < 1 || g.count() != rows || v.count() % rows != 0) misfit(module, "weight_g and weight_v");
    const Tensor direction = v.to_f32();
    const Tensor length = g.to_f32();
    Tensor result = Tensor::zeros(DType::kF32, v.shape());
    const std::span<float> out = result.mutable_f32();
    const std::size_t width = out.size() / static_cast<std::size_t>(rows);
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      const std::span<const float> in = direction.f32().subspan(row * width, width);
      double sum = 0;
      for (const float value : in) sum += static_cast<double>(value) * value;
      const double scale = length.f32()[row] / std::sqrt(sum);
      for (std::size_t i = 0; i < width; ++i) out[row * width + i] = static_cast<float>(in[i] * scale);
    }
    return result;
  }

  // W / u'Wv (Miyato et al. 2018, arXiv:1802.05957), with the vectors that training left.
  Tensor spectral(std::string_view module, const Tensor& tensor, const Tensor& u, const Tensor& v) {
    const std::int64_t rows = tensor.shape().empty() ? 0 : tensor.shape()[0];
    if (rows < 1 || u.count() != rows || v.count() != tensor.count() / rows) misfit(module, "weight, u and v");
    const Tensor weight = tensor.to_f32();
    const Tensor left = u.to_f32();
    const Tensor right = v.to_f32();
    const auto width = static_cast<std::size_t>(v.count());
    double sigma = 0;
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      double sum = 0;
      for (std::size_t i = 0; i < width; ++i) {
        sum += static_cast<double>(weight.f32()[row * width + i]) * right.f32()[i];
      }
      sigma += sum * left.f32()[row];
    }
    Tensor result = Tensor::zeros(DType::kF32, tensor.shape());
    const std::span<float> out = result.mutable_f32();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(weight.f32()[i] / sigma);
    return result;
  }

  static Tensor filled(std::int64_t count, float value) {
    return Tensor::from(std::vector<float>(static_cast<std::size_t>(count), value), {count});
  }

  void complete_norm(std::string_view conv) {
    const std::string norm = norm_behind(conv);
    const std::int64_t channels = plain_.at(std::string(conv) + ".weight").shape()[0];
    const auto fill = [&](const char* leaf, float value) {
      if (!plain_.contains(fmt::format("{}.{}", norm, leaf))) put(norm, leaf, filled(channels, value));
    };
    const auto there = modules_.find(norm);
    if (there == modules_.end()) {
      const Tensor* bias = find(conv, "bias");
      if (bias == nullptr) return;  // the check of the weights says what is missing
      note("batch norms were taken into convolutions: they are made anew, to add the biases");
      fused_.insert(std::string(conv));
      put(norm, "bias", *bias);
    } else if (there->second.contains("running_mean") || there->second.contains("running_var")) {
      fill("weight", 1);
      fill("bias", 0);
      return;
    } else if (!there->second.contains("affine_weight")) {
      if (!there->second.contains("weight")) return;
      fail(ErrorCode::kUnsupported, where_,
           "{} has no running_mean: it is not a batch norm but one such as group norm, which this program does not "
           "have, or one without statistics (track_running_stats=False)",
           norm);
    }
    fill("weight", 1);
    fill("bias", 0);
    fill("running_mean", 0);
    made_norms_.push_back(norm);
    fill("running_var", 1 - kUsualEpsilon);  // the square root of it and epsilon is 1
  }

  // Where some convolutions have biases and others do not (Caffe's first, Gluon's 1x1), they move the means of the
  // batch norms behind them.
  void take_some_biases(const std::set<std::string_view>& convs) {
    std::vector<std::string> biased;
    for (const std::string_view conv : convs) {
      if (!fused_.contains(std::string(conv)) && plain_.contains(std::string(conv) + ".bias"))
        biased.emplace_back(conv);
    }
    if (biased.size() == convs.size()) return;
    for (const std::string& conv : biased) {
      const std::string name = norm_behind(conv) + ".running_mean";
      const Tensor* mean = plain_.find(name);
      const Tensor bias = plain_.at(conv + ".bias").to_f32();
      if (mean == nullptr || mean->count() != bias.count()) misfit(conv, "its bias and the batch norm behind it");
      Tensor moved = mean->to_f32().copy();
      for (std::size_t i = 0; i < bias.f32().size(); ++i) moved.mutable_f32()[i] -= bias.f32()[i];
      plain_.set(name, moved);
      fused_.insert(conv);
      note("some convolutions have biases: they became part of the batch norms behind them");
    }
  }

 public:
  std::vector<std::string> take_made_norms() { return std::move(made_norms_); }

  // Biases of fused convolutions, which their new norms have taken.
  bool is_fused_bias(const std::string& name) const {
    return name.ends_with(".bias") && fused_.contains(name.substr(0, name.size() - 5));
  }

 private:
  const std::string& where_;
  std::vector<std::string>& notes_;
  std::set<std::string> said_;
  std::map<std::string_view, Leaves> modules_;
  std::vector<std::pair<std::string_view, std::string_view>> order_;
  std::set<std::string> fused_;
  std::vector<std::string> made_norms_;
  StateDict plain_;
};

}  // namespace

std::string norm_behind(std::string_view conv) {
  if (conv == "conv1" || conv == "conv1.6") return "bn1";
  if (conv == "conv1.0") return "conv1.1";
  if (conv == "conv1.3") return "conv1.4";
  std::string norm(conv);
  if (const std::size_t place = norm.find(".conv"); place != std::string::npos) return norm.replace(place, 5, ".bn");
  if (!norm.empty()) ++norm.back();  // downsample.0, downsample.1
  return norm;
}

StateDict make_plain(const StateDict& tensors, const std::string& where, std::vector<std::string>& notes,
                     std::vector<std::string>* made_norms) {
  PlainWeights weights(tensors, where, notes);
  const StateDict all = weights.run(/*norms=*/true);
  if (made_norms != nullptr) *made_norms = weights.take_made_norms();
  StateDict result;
  for (const auto& [name, tensor] : all) {
    if (!weights.is_fused_bias(name)) result.add(name, tensor);
  }
  return result;
}

StateDict make_leaves_plain(const StateDict& tensors, const std::string& where, std::vector<std::string>& notes) {
  return PlainWeights(tensors, where, notes).run(/*norms=*/false);
}

}  // namespace resnet
