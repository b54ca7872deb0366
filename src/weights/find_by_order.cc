#include "weights/find_by_order.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "weights/bookkeeping.h"

namespace resnet {
namespace {

constexpr int kMaxPrefixDepth = 6;           // of prefixes
constexpr int kMaxPrefixes = 200;            // that are tried
constexpr std::size_t kMinConvolutions = 3;  // a stem and a block
constexpr std::size_t kMaxModules = 10'000;

struct OrderedModule {
  std::string_view path;
  std::vector<std::pair<std::string_view, std::string_view>> tensors;  // name in the file, plain leaf
  std::vector<std::int64_t> kernel;                                    // shape of a weight of four dimensions
  std::int64_t channels = 0;                                           // of a norm
};

std::string_view parent_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

// Numbers count: "layer.10" is behind "layer.9".
bool natural_less(std::string_view a, std::string_view b) {
  const auto digits = [](std::string_view text, std::size_t from) {
    std::size_t end = from;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
    return end;
  };
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size()) {
    const std::size_t end_a = digits(a, i);
    const std::size_t end_b = digits(b, j);
    if (end_a > i && end_b > j) {
      const std::string_view number_a = a.substr(i, end_a - i);
      const std::string_view number_b = b.substr(j, end_b - j);
      if (number_a.size() != number_b.size()) return number_a.size() < number_b.size();
      if (number_a != number_b) return number_a < number_b;
      i = end_a;
      j = end_b;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return b.size() - j > a.size() - i;
}

// A convolution and the norm behind it.
struct Unit {
  const OrderedModule* conv = nullptr;
  const OrderedModule* norm = nullptr;  // null where norms were taken into convolutions
  std::int64_t out() const { return conv->kernel[0]; }
  std::int64_t in() const { return conv->kernel[1]; }  // of a group
  std::int64_t window() const { return conv->kernel[2]; }
};

class Parser {
 public:
  Parser(const StateDict& tensors, std::string_view prefix) : prefix_(prefix) { collect(tensors); }

  std::optional<FoundNetwork> run() {
    if (modules_.size() > kMaxModules || !pair() || !parse()) return std::nullopt;
    name_shortcuts();
    FoundNetwork found{std::string(prefix_), "nobody", {}, true};
    for (const auto& [module, plain] : plain_) {
      for (const auto& [name, leaf] : module->tensors) {
        found.names.push_back({std::string(name), fmt::format("{}.{}", plain, leaf)});
      }
    }
    return found;
  }

 private:
  void collect(const StateDict& tensors) {
    std::map<std::string_view, std::size_t> index;
    std::vector<std::string_view> names;
    for (const auto& [name, tensor] : tensors) {
      if (!name.starts_with(prefix_) || is_bookkeeping(name)) continue;
      const SplitName split = split_leaf(name);
      if (split.module.empty()) continue;
      names.emplace_back(name);
      const auto [place, is_new] = index.emplace(split.module, modules_.size());
      if (is_new) modules_.push_back({split.module, {}, {}, 0});
      OrderedModule& module = modules_[place->second];
      module.tensors.emplace_back(name, split.leaf);
      const Shape& shape = tensor.shape();
      if (shape.size() == 4) module.kernel = shape;
      if (split.leaf == "running_mean" && shape.size() == 1) module.channels = shape[0];
    }
    sorted_ = std::is_sorted(names.begin(), names.end());
    if (sorted_) {
      std::sort(modules_.begin(), modules_.end(),
                [](const OrderedModule& a, const OrderedModule& b) { return natural_less(a.path, b.path); });
    }
  }

  // A stem, which reads pictures, stands first though its name may not.
  void stem_first(std::vector<const OrderedModule*>& convs) const {
    constexpr std::int64_t kMostOfPictures = 4;
    const auto stem = std::find_if(convs.begin(), convs.end(),
                                   [](const OrderedModule* conv) { return conv->kernel[1] <= kMostOfPictures; });
    if (stem != convs.end() && sorted_) std::rotate(convs.begin(), stem, stem + 1);
  }

  bool pair() {
    std::vector<const OrderedModule*> convs;
    std::map<std::string_view, std::vector<const OrderedModule*>> norms;  // by what they stand in
    std::size_t norm_count = 0;
    for (const OrderedModule& module : modules_) {
      if (!module.kernel.empty()) {
        if (module.kernel[2] == 1 || module.kernel[2] == 3 || module.kernel[2] == 7) convs.push_back(&module);
      } else if (module.channels > 0) {
        norms[parent_of(module.path)].push_back(&module);
        ++norm_count;
      }
    }
    if (convs.size() < kMinConvolutions || (norm_count != 0 && norm_count < convs.size())) return false;
    stem_first(convs);
    std::map<std::string_view, std::size_t> used;
    for (const OrderedModule* conv : convs) {
      Unit unit{conv, nullptr};
      if (norm_count > 0) {
        const std::string_view scope = norms.contains(conv->path) ? conv->path : parent_of(conv->path);
        const auto here = norms.find(scope);
        const std::size_t number = used[scope]++;
        // A last 1x1 convolution without a norm is a head.
        if (here == norms.end() || number >= here->second.size()) {
          if (conv == convs.back() && conv->kernel[2] == 1) break;
          return false;
        }
        unit.norm = here->second[number];
        // A norm that stands before its convolution makes a network of pre-activation.
        if (unit.norm->channels != unit.out() || (!sorted_ && unit.norm < conv)) return false;
      }
      units_.push_back(unit);
    }
    return true;
  }

  bool is(std::size_t at, std::int64_t in, std::int64_t window) const {
    return at < units_.size() && units_[at].in() == in && units_[at].window() == window;
  }

  void name(std::size_t at, const std::string& conv, const std::string& norm) {
    plain_.emplace_back(units_[at].conv, conv);
    if (units_[at].norm != nullptr) plain_.emplace_back(units_[at].norm, norm);
  }

  bool parse() {
    std::size_t at = 0;
    std::int64_t channels = units_[0].out();
    const bool deep = units_[0].window() == 3 && is(1, channels, 3) && units_[1].out() == channels &&
                      is(2, channels, 3) && units_[2].out() == 2 * channels;
    if (units_[0].window() == 1) return false;
    if (deep) {
      name(0, "conv1.0", "conv1.1");
      name(1, "conv1.3", "conv1.4");
      name(2, "conv1.6", "bn1");
      channels *= 2;
      at = 3;
    } else {
      name(0, "conv1", "bn1");
      at = 1;
    }
    int stage = 1;
    int block = 0;
    while (at < units_.size()) {
      const BlockForm shape = block_at(at, channels);
      if (shape.units == 0) return false;
      if (at > (deep ? 3U : 1U) && (shape.shortcut >= 0 || shape.out != channels)) {
        ++stage;
        block = 0;
      }
      name_block(at, shape, fmt::format("layer{}.{}.", stage, block++));
      at += shape.units;
      channels = shape.out;
    }
    return true;
  }

  // How many units a block has; where, if anywhere, its shortcut stands, and its first layer.
  struct BlockForm {
    std::size_t units = 0;
    int shortcut = -1;
    std::size_t first = 0;
    std::int64_t out = 0;
    bool bottleneck = false;
  };

  BlockForm block_at(std::size_t at, std::int64_t channels) const {
    for (const std::size_t first : {std::size_t{0}, std::size_t{1}}) {  // a shortcut may stand before the others
      BlockForm shape;
      shape.first = first;
      if (is(at + first, channels, 3) && is(at + first + 1, units_[at + first].out(), 3) &&
          units_[at + first + 1].out() == units_[at + first].out()) {
        shape.units = 2;
      } else if (is(at + first, channels, 1) && at + first + 2 < units_.size() &&
                 units_[at + first + 1].window() == 3 && units_[at + first + 1].out() == units_[at + first].out() &&
                 is(at + first + 2, units_[at + first + 1].out(), 1)) {
        shape.units = 3;
        shape.bottleneck = true;
      } else {
        continue;
      }
      shape.out = units_[at + first + shape.units - 1].out();
      const std::size_t side = first == 1 ? at : at + shape.units;
      const bool there = is(side, channels, 1) && units_[side].out() == shape.out && !starts_bottleneck(side, shape);
      if (first == 1 && !there) continue;
      if (there) {
        shape.shortcut = static_cast<int>(side - at);
        ++shape.units;
      }
      if (!is_ordered(at, shape)) continue;
      return shape;
    }
    return {};
  }

  // A 1x1 convolution behind a block may be the next bottleneck's first one, which stands in another module.
  bool starts_bottleneck(std::size_t side, const BlockForm& shape) const {
    return shape.bottleneck && side + 1 < units_.size() && units_[side + 1].window() == 3 &&
           units_[side + 1].out() == units_[side].out() &&
           parent_of(units_[side + 1].conv->path) == parent_of(units_[side].conv->path);
  }

  // Where a file sorts names, two equal layers of a block are told apart by what counts in their names.
  bool is_ordered(std::size_t at, const BlockForm& shape) const {
    if (!sorted_ || shape.bottleneck) return true;
    const Unit& a = units_[at + shape.first];
    const Unit& b = units_[at + shape.first + 1];
    if (a.conv->kernel != b.conv->kernel) return true;
    const auto without_digits = [](std::string_view path) {
      std::string text(path);
      std::erase_if(text, [](char c) { return c >= '0' && c <= '9'; });
      return text;
    };
    return without_digits(a.conv->path) == without_digits(b.conv->path);
  }

  void name_block(std::size_t at, const BlockForm& shape, const std::string& path) {
    int layer = 1;
    for (std::size_t i = 0; i < shape.units; ++i) {
      if (static_cast<int>(i) == shape.shortcut) {
        shortcuts_.emplace_back(at + i, path + "downsample.");
        pooled_ = pooled_ || stands_second(units_[at + i].conv->path, units_[at + shape.first].conv->path);
      } else {
        name(at + i, fmt::format("{}conv{}", path, layer), fmt::format("{}bn{}", path, layer));
        ++layer;
      }
    }
  }

  // "idpath.1.0" beside "convpath.0.0": in a Sequential that begins with something without tensors, a pooling.
  static bool stands_second(std::string_view shortcut, std::string_view layer) {
    const auto [place, ignored] = std::mismatch(shortcut.begin(), shortcut.end(), layer.begin(), layer.end());
    const std::string_view common = shortcut.substr(0, static_cast<std::size_t>(place - shortcut.begin()));
    const std::string_view rest = shortcut.substr(common.rfind('.') + 1);
    const std::size_t dot = rest.find('.');
    if (dot == std::string_view::npos || (rest[0] >= '0' && rest[0] <= '9')) return false;
    const std::string_view number = rest.substr(dot + 1, rest.find('.', dot + 1) - dot - 1);
    return number == "1";
  }

  void name_shortcuts() {
    for (const auto& [at, path] : shortcuts_) name(at, path + (pooled_ ? "1" : "0"), path + (pooled_ ? "2" : "1"));
  }

  std::string_view prefix_;
  std::vector<OrderedModule> modules_;
  bool sorted_ = false;
  std::vector<Unit> units_;
  std::vector<std::pair<std::size_t, std::string>> shortcuts_;  // units, and what stands before "0" or "1"
  bool pooled_ = false;                                         // shortcuts
  std::vector<std::pair<const OrderedModule*, std::string>> plain_;
};

std::optional<FoundNetwork> find_below(const StateDict& tensors, const std::string& prefix, int depth, int& tries) {
  if (--tries < 0) return std::nullopt;
  if (auto found = Parser(tensors, prefix).run()) return found;
  if (depth == kMaxPrefixDepth) return std::nullopt;
  std::map<std::string, std::size_t> children;  // with their convolutions
  for (const auto& [name, tensor] : tensors) {
    if (tensor.shape().size() != 4 || !name.starts_with(prefix)) continue;
    const std::size_t dot = name.find('.', prefix.size());
    if (dot != std::string::npos) ++children[name.substr(0, dot + 1)];
  }
  for (const auto& [child, convolutions] : children) {
    if (convolutions < kMinConvolutions) continue;
    if (auto found = find_below(tensors, child, depth + 1, tries)) return found;
  }
  return std::nullopt;
}

}  // namespace

std::optional<FoundNetwork> find_by_order(const StateDict& tensors) {
  int tries = kMaxPrefixes;
  return find_below(tensors, "", 0, tries);
}

}  // namespace resnet
