// What goes into the first batch norm is linear in a patch of the picture, and so are all the usual ways to prepare
// one: the patches' means and products, kept once, give the mean and variance of every channel under each of them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "check/hypotheses.h"
#include "check/moments.h"
#include "program/quantized.h"
#include "resnet/check.h"

namespace resnet {
namespace {

constexpr std::size_t kMostOfPatch = 1024;
constexpr std::int64_t kCells = 3;  // of a picture's height and width, with a patch in each

// Calibrated on networks and pictures of many kinds, right ones and odd ones: drawn, flat, blurred, of one class alone,
// too dark, too pale. The largest distance of a right model, with another preprocessing within 0.15, was 1.3.
constexpr std::int64_t kLeastPictures = 16;
constexpr double kLeastDistance = 2.5, kLeastShare = 15, kNear = 0.15;
constexpr double kLeastSpread = 0.15, kMostSpread = 0.36;  // of pictures of usual contrast, values in 0..1

// The first batch norm and the convolution before it, which reads the pictures.
const Node* first_norm(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.op != Op::kBatchNorm) continue;
    const Node& before = graph.nodes[static_cast<std::size_t>(node.inputs[0])];
    return before.op == Op::kConv && before.inputs[0] == 0 && before.groups == 1 ? &node : nullptr;
  }
  return nullptr;
}

}  // namespace

InputDrift::InputDrift(const Model& model) {
  if (!model.preprocessing) fail(ErrorCode::kMismatch, "pictures", "nothing says how they are prepared");
  stated_ = *model.preprocessing;
  channels_ = model.architecture.in_channels;
  const Graph graph = expand(model.architecture);
  const Node* norm = first_norm(graph);
  if (norm == nullptr) return;
  const Node& conv = graph.nodes[static_cast<std::size_t>(norm->inputs[0])];
  kernel_ = conv.kernel;
  stride_ = conv.stride;
  padding_ = conv.padding;
  const auto size = static_cast<std::size_t>((channels_ + 1) * kernel_ * kernel_);
  Remembered memory = remembered(model.weights, norm->path);
  if (memory.never_updated() || size > kMostOfPatch) return;
  can_tell_ = true;
  mean_ = std::move(memory.mean);
  variance_ = std::move(memory.variance);
  const Tensor weights = float_weights(model.weights, conv.path);
  weights_.assign(weights.f32().begin(), weights.f32().end());
  bias_.assign(mean_.size(), 0);
  if (conv.bias) {
    const Tensor bias = model.weights.at(conv.path + ".bias").to_f32();
    bias_.assign(bias.f32().begin(), bias.f32().end());
  }
  patch_size_ = size;
  patches_.resize(kCells * kCells * size);
  clear();
}

void InputDrift::clear() {
  pictures_ = 0;
  sums_.assign(patch_size_, 0);
  products_.assign(patch_size_ * (patch_size_ + 1) / 2, 0);
}

void InputDrift::add(std::span<const float> input, const FeatureShape& shape) {
  if (static_cast<std::int64_t>(input.size()) != shape.count() || shape.channels != channels_) {
    fail(ErrorCode::kMismatch, "pictures", "{} values of {} channels, but the shape has {} and the network takes {}",
         input.size(), shape.channels, shape.count(), channels_);
  }
  if (!can_tell_) return;
  const std::int64_t rows = (shape.height + 2 * padding_ - kernel_) / stride_ + 1;
  const std::int64_t columns = (shape.width + 2 * padding_ - kernel_) / stride_ + 1;
  const auto within = [](std::int64_t cell, std::int64_t of, Random& random) {
    const std::int64_t begin = cell * of / kCells, end = std::max(begin + 1, (cell + 1) * of / kCells);
    return std::min(of - 1, begin + static_cast<std::int64_t>(random.uniform() * static_cast<double>(end - begin)));
  };
  for (std::int64_t i = 0; i < shape.batch; ++i) {
    Random random(seed_of({0xD21F7U, static_cast<std::uint64_t>(pictures_)}));  // other places in each picture
    const float* picture = input.data() + i * shape.channels * shape.height * shape.width;
    for (std::size_t cell = 0; cell < kCells * kCells; ++cell) {
      const auto at = static_cast<std::int64_t>(cell);
      const std::int64_t y = within(at / kCells, rows, random), x = within(at % kCells, columns, random);
      cut_patch(picture, shape, y * stride_ - padding_, x * stride_ - padding_,
                std::span(patches_).subspan(cell * patch_size_, patch_size_));
    }
    add_products();
    ++pictures_;
  }
}

void InputDrift::cut_patch(const float* picture, const FeatureShape& shape, std::int64_t top, std::int64_t left,
                           std::span<float> patch) const {
  const auto places = static_cast<std::size_t>(kernel_) * static_cast<std::size_t>(kernel_);
  const std::span<float> inside = patch.last(places);
  for (std::size_t place = 0; place < places; ++place) {
    const auto at = static_cast<std::int64_t>(place);
    const std::int64_t y = top + at / kernel_, x = left + at % kernel_;
    const bool is = y >= 0 && y < shape.height && x >= 0 && x < shape.width;
    inside[place] = is ? 1.0F : 0.0F;
    const float* value = picture + y * shape.width + x;
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels_); ++c, value += shape.height * shape.width) {
      patch[c * places + place] = is ? *value : 0.0F;
    }
  }
}

// Row by row in single precision, which is enough for the few patches of a picture.
void InputDrift::add_products() {
  std::vector<float> row(patch_size_);
  double* products = products_.data();
  for (std::size_t i = 0; i < patch_size_; ++i) {
    std::fill(row.begin(), row.end(), 0.0F);
    for (std::size_t begin = 0; begin < patches_.size(); begin += patch_size_) {
      const float* patch = patches_.data() + begin;
      const float value = patch[i];
      sums_[i] += static_cast<double>(value);
      for (std::size_t j = 0; j <= i; ++j) row[j] += value * patch[j];
    }
    for (std::size_t j = 0; j <= i; ++j) products[j] += static_cast<double>(row[j]);
    products += i + 1;
  }
}

double InputDrift::distance() const { return distance_under(stated_); }

double InputDrift::distance_under(const Preprocessing& how) const {
  if (!can_tell_ || pictures_ == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto channels = static_cast<std::size_t>(channels_);
  const auto places = static_cast<std::size_t>(kernel_) * static_cast<std::size_t>(kernel_);
  const auto count = static_cast<double>(pictures_ * kCells * kCells);
  const bool turned = how.channels != stated_.channels;
  Moments seen;
  std::vector<double> of_patch(patch_size_);
  for (std::size_t out = 0; out < mean_.size(); ++out) {
    std::fill(of_patch.begin(), of_patch.end(), 0.0);
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t from = turned ? channels - 1 - c : c;  // x' = (x * std + mean - mean') / std'
      const double scale = static_cast<double>(stated_.std[from]) / static_cast<double>(how.std[c]);
      const double shift = (static_cast<double>(stated_.mean[from]) - static_cast<double>(how.mean[c])) /
                           static_cast<double>(how.std[c]);
      for (std::size_t place = 0; place < places; ++place) {
        const double weight = weights_[(out * channels + c) * places + place];
        of_patch[from * places + place] += weight * scale;
        of_patch[channels * places + place] += weight * shift;
      }
    }
    double sum = 0, squares = 0;
    const double* products = products_.data();
    for (std::size_t i = 0; i < of_patch.size(); ++i) {
      sum += of_patch[i] * sums_[i];
      double row = 0;
      for (std::size_t j = 0; j < i; ++j) row += of_patch[j] * products[j];
      squares += of_patch[i] * (2 * row + of_patch[i] * products[i]);
      products += i + 1;
    }
    seen.sum.push_back(sum + count * bias_[out]);
    seen.squares.push_back(squares + 2 * bias_[out] * sum + count * bias_[out] * bias_[out]);
  }
  seen.pixels = count;
  return resnet::distance(seen, {mean_, variance_});
}

// Of what lies in the middle of the patches, which is never the border.
bool InputDrift::usual_contrast() const {
  const std::size_t places = static_cast<std::size_t>(kernel_) * static_cast<std::size_t>(kernel_);
  const auto count = static_cast<double>(pictures_ * kCells * kCells);
  double sum = 0, squares = 0;
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels_); ++c) {
    const std::size_t at = c * places + places / 2;
    const double mean = sums_[at] / count, square = products_[at * (at + 1) / 2 + at] / count;
    const double std = stated_.std[c], shift = stated_.mean[c];
    sum += mean * std + shift;
    squares += square * std * std + 2 * mean * std * shift + shift * shift;
  }
  const double mean = sum / channels_;
  const double spread = std::sqrt(std::max(0.0, squares / channels_ - mean * mean));
  return spread >= kLeastSpread && spread <= kMostSpread;
}

std::optional<InputDrift::Contradiction> InputDrift::contradiction() const {
  if (!can_tell_ || pictures_ < kLeastPictures || !usual_contrast()) return std::nullopt;
  const double stated = distance();
  if (!(stated >= kLeastDistance)) return std::nullopt;
  const auto fits = [&](const Contradiction& other) {
    return other.distance <= kNear && stated >= kLeastShare * other.distance;
  };
  // Of what fits the nearest one in the same order of channels, which content decides more than anything else.
  Contradiction same{stated_, stated}, any = same;
  for (const Preprocessing& how : likely_preprocessings(stated_)) {
    const Contradiction other{how, distance_under(how)};
    if (other.distance < any.distance) any = other;
    if (how.channels == stated_.channels && other.distance < same.distance) same = other;
  }
  if (fits(same)) return same;
  return fits(any) ? std::optional(any) : std::nullopt;
}

}  // namespace resnet
