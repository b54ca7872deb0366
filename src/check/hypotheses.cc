#include "check/hypotheses.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "resnet/error.h"

namespace resnet {
namespace {

struct Normalisation {
  std::vector<float> mean, std;
};

constexpr float kByte = 1.0F / 255;  // the std of values in 0..255

const std::vector<Normalisation>& of_colours() {
  static const std::vector<Normalisation> kKnown = {
      {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}},        // ImageNet
      {{0.4914F, 0.4822F, 0.4465F}, {0.2470F, 0.2435F, 0.2616F}},  // CIFAR-10
      {{0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}},
      {{0, 0, 0}, {1, 1, 1}},
      {{0, 0, 0}, {kByte, kByte, kByte}},
      {{123.68F / 255, 116.779F / 255, 103.939F / 255}, {kByte, kByte, kByte}},  // Caffe's ResNets
  };
  return kKnown;
}

const std::vector<Normalisation>& of_gray() {
  static const std::vector<Normalisation> kKnown = {
      {{0}, {1}}, {{0.5F}, {0.5F}}, {{0.1307F}, {0.3081F}} /* MNIST */, {{0}, {kByte}}};
  return kKnown;
}

struct Neighbours {
  std::string field;
  std::vector<Architecture> networks;
};

// Fields in the order in which they are tried.
std::vector<Neighbours> neighbours(const Architecture& base) {
  std::vector<Neighbours> result;
  const auto try_values = [&]<typename Value>(const char* field, Value Architecture::*member,
                                              const std::vector<Value>& values) {
    result.push_back({field, {}});
    for (const Value& value : values) {
      Architecture other = base;
      other.*member = value;
      result.back().networks.push_back(std::move(other));
    }
  };
  try_values("stem_pool", &Architecture::stem_pool,
             {StemPool::kNone, StemPool::kMax, StemPool::kMaxCeil, StemPool::kMax2, StemPool::kAverage2});
  try_values("stem_stride", &Architecture::stem_stride, {1, 2});
  if (base.dilated_stages == 0 && base.depths.size() > 1) {
    std::vector<int> strides;
    for (std::size_t stage = 0; stage < base.depths.size(); ++stage) {
      strides.push_back(base.stride_of(static_cast<int>(stage)));
    }
    std::vector<int> other = strides;
    other.back() = other.back() == 1 ? 2 : 1;
    try_values("strides", &Architecture::strides, std::vector<std::vector<int>>{other});
  }
  if (base.block == Block::kBottleneck) {
    try_values("stride_on_first", &Architecture::stride_on_first, {!base.stride_on_first});
  }
  try_values("dilated_stages", &Architecture::dilated_stages, {0, 1, 2});
  if (base.shortcut == Shortcut::kPadding || base.shortcut == Shortcut::kNone) {
    try_values("shortcut", &Architecture::shortcut, {Shortcut::kPadding, Shortcut::kNone});
  }
  try_values("antialias", &Architecture::antialias, {Antialias::kNone, Antialias::kAverage, Antialias::kBlur});
  try_values("activation", &Architecture::activation,
             {Activation::kRelu, Activation::kSilu, Activation::kGelu, Activation::kHardswish});
  std::vector<Architecture>& activated = result.back().networks;
  for (Architecture& network : activated) network.negative_slope = Architecture().negative_slope;
  for (const double slope : {0.1, 0.2}) {  // PyTorch's own, 0.01, is too near to ReLU to be told from it
    activated.push_back(base);
    activated.back().activation = Activation::kLeakyRelu;
    activated.back().negative_slope = slope;
  }
  for (Neighbours& of_field : result) {
    std::erase_if(of_field.networks, [&](Architecture& network) {
      try {
        validate(network);
        network = plainly_said(std::move(network));
        return network == plainly_said(base);
      } catch (const Error&) {
        return true;
      }
    });
  }
  std::erase_if(result, [](const Neighbours& of_field) { return of_field.networks.empty(); });
  return result;
}

}  // namespace

std::vector<Preprocessing> likely_preprocessings(const Preprocessing& stated) {
  std::vector<Preprocessing> result;
  const auto add = [&](const Preprocessing& how) {
    if (std::find(result.begin(), result.end(), how) == result.end()) result.push_back(how);
  };
  const auto add_orders = [&](Preprocessing how) {
    add(how);
    if (how.mean.size() != 3) return;
    how.channels = how.channels == ChannelOrder::kRgb ? ChannelOrder::kBgr : ChannelOrder::kRgb;
    add(how);  // the numbers stayed where they were
    std::reverse(how.mean.begin(), how.mean.end());
    std::reverse(how.std.begin(), how.std.end());
    add(how);  // the numbers went with their channels
  };
  add_orders(stated);
  const std::size_t channels = stated.mean.size();
  if (channels != 1 && channels != 3) return result;
  for (const Normalisation& known : channels == 3 ? of_colours() : of_gray()) {
    Preprocessing how = stated;
    how.channels = ChannelOrder::kRgb;
    how.mean = known.mean;
    how.std = known.std;
    add_orders(how);
  }
  return result;
}

std::vector<Architecture> likely_neighbours(const Architecture& architecture) {
  std::vector<Architecture> result;
  for (Neighbours& of_field : neighbours(architecture)) {
    result.insert(result.end(), of_field.networks.begin(), of_field.networks.end());
  }
  return result;
}

std::vector<std::string> tried_fields(const Architecture& architecture) {
  std::vector<std::string> result;
  for (const Neighbours& of_field : neighbours(architecture)) result.push_back(of_field.field);
  return result;
}

}  // namespace resnet
