#include "weights/find_by_name.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "weights/bookkeeping.h"
#include "weights/network_names.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxSpots = 200;       // in one file: an ensemble, their averages
constexpr std::size_t kMaxInSequence = 100;  // more is no block

// Where a network may be: a prefix, and how its blocks are called.
struct Spot {
  std::string_view prefix;
  std::size_t place = 0;
  auto operator<=>(const Spot&) const = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14 takes it for a 0
};

// Convolutions of blocks tell where networks may be.
std::vector<Spot> find_spots(const StateDict& tensors) {
  std::set<Spot> seen;
  std::vector<Spot> spots;  // in the order of the file
  const auto look = [&](std::string_view name, std::size_t begin) {
    for (std::size_t place = 0; place < block_places().size(); ++place) {
      const auto match = match_name(block_places()[place].pattern, name.substr(begin));
      if (!match || !match_part(match->rest) || is_bookkeeping(name.substr(0, begin))) continue;
      const Spot spot{name.substr(0, begin), place};
      if (spots.size() < kMaxSpots && seen.insert(spot).second) spots.push_back(spot);
    }
  };
  for (const auto& [name, tensor] : tensors) {
    if (tensor.shape().size() != 4) continue;
    for (std::size_t begin = 0; begin != std::string::npos;) {
      look(name, begin);
      const std::size_t dot = name.find('.', begin);
      begin = dot == std::string::npos ? dot : dot + 1;
    }
  }
  return spots;
}

using Named = std::pair<std::string_view, const Tensor*>;  // name in the file

// One part of a block, before its number among its kind is known.
struct PartHere {
  Named tensor;
  PartMatch match;
};
using BlockHere = std::vector<PartHere>;
using BlockNumbers = std::pair<int, int>;

class Reader {
 public:
  Reader(const StateDict& tensors, const Spot& spot)
      : tensors_(tensors), spot_(spot), place_(block_places()[spot.place]) {
    for (const auto& [name, tensor] : tensors) {
      if (name.starts_with(spot.prefix)) below_.emplace_back(name, &tensor);
    }
  }

  // Nothing where stem or blocks are missing.
  std::optional<FoundNetwork> read() {
    for (const Named& named : below_) sort_in(named);
    if (blocks_.empty() || !read_stem()) return std::nullopt;
    const int first_stage = place_.first_stage == kLowest ? blocks_.begin()->first.first : place_.first_stage;
    for (const auto& [numbers, block] : blocks_) {
      const int first_block = place_.first_block == kLowest ? lowest_block(numbers.first) : place_.first_block;
      read_block(block, fmt::format("layer{}.{}.", numbers.first - first_stage + 1, numbers.second - first_block));
    }
    FoundNetwork found{std::string(spot_.prefix), std::string(place_.whose), {}, false};
    std::set<std::string_view> taken;
    for (const auto& [name, tensor] : below_) {
      const auto plain = plain_.find(name);
      if (plain == plain_.end()) continue;
      if (!taken.insert(plain->second).second) return std::nullopt;  // two tensors for one place
      found.names.push_back({std::string(name), plain->second});
    }
    return found;
  }

 private:
  std::string_view behind_prefix(const Named& named) const { return named.first.substr(spot_.prefix.size()); }

  void sort_in(const Named& named) {
    const auto match = match_name(place_.pattern, behind_prefix(named));
    if (!match) return;
    if (const auto part = match_part(match->rest)) {
      blocks_[{match->numbers[0], match->numbers[1]}].push_back({named, *part});
    }
  }

  int lowest_block(int stage) const { return blocks_.lower_bound({stage, 0})->first.second; }

  void put(const Named& tensor, const std::string& module, std::string_view leaf) {
    plain_.emplace(tensor.first, module + "." + std::string(leaf));
  }

  // Of each Sequential the numbers that are convolutions; the others are norms.
  struct Sequence {
    std::set<int> all, convs;

    bool is_conv(int number) const { return convs.contains(number); }
    // Counted from 1 among its kind.
    int index(int number) const {
      return 1 + static_cast<int>(std::count_if(all.begin(), all.find(number),
                                                [&](int other) { return is_conv(other) == is_conv(number); }));
    }
  };
  static std::map<const BlockPart*, Sequence> sequences(const BlockHere& block) {
    std::map<const BlockPart*, Sequence> result;
    for (const PartHere& here : block) {
      Sequence& sequence = result[here.match.part];
      if (here.tensor.second->shape().size() == 4) sequence.convs.insert(here.match.number);
      if (sequence.all.size() < kMaxInSequence) sequence.all.insert(here.match.number);
    }
    return result;
  }

  void read_block(const BlockHere& block, const std::string& path) {
    const std::map<const BlockPart*, Sequence> in_order = sequences(block);
    for (const PartHere& here : block) {
      const BlockPart& part = *here.match.part;
      const int number = here.match.number;
      std::string module;
      switch (part.kind) {
        case PartKind::kConv: module = fmt::format("conv{}", number - part.first + 1); break;
        case PartKind::kNorm: module = fmt::format("bn{}", number - part.first + 1); break;
        case PartKind::kShortcutConv: module = "downsample.0"; break;
        case PartKind::kShortcutNorm: module = "downsample.1"; break;
        case PartKind::kSequence: {
          const Sequence& sequence = in_order.at(&part);
          module = fmt::format("{}{}", sequence.is_conv(number) ? "conv" : "bn", sequence.index(number));
          break;
        }
        case PartKind::kShortcutSequence: {
          // The norm stands behind its convolution; where something without tensors, a pooling, stands before that,
          // the convolution's number is 1.
          const Sequence& sequence = in_order.at(&part);
          if (sequence.convs.size() != 1) continue;
          const int first = sequence.is_conv(0) ? 0 : 1;
          module = fmt::format("downsample.{}", sequence.is_conv(number) ? first : first + 1);
          break;
        }
      }
      put(here.tensor, path + module, here.match.leaf);
    }
  }

  bool has_conv(std::string_view path) const {
    constexpr const char* kLeaves[] = {"weight",
                                       "w",
                                       "weight_orig",
                                       "weight_v",
                                       "parametrizations.weight.original",
                                       "parametrizations.weight.original1"};
    return std::any_of(std::begin(kLeaves), std::end(kLeaves), [&](const char* leaf) {
      const Tensor* tensor = tensors_.find(fmt::format("{}{}{}", spot_.prefix, path, leaf));
      return tensor != nullptr && tensor->shape().size() == 4;
    });
  }

  bool read_stem() {
    for (const StemForm& form : stem_forms()) {
      const bool there = std::all_of(form.parts.begin(), form.parts.end(),
                                     [&](const StemPart& part) { return part.conv.empty() || has_conv(part.conv); });
      if (!there) continue;
      read_stem(form);
      return true;
    }
    return false;
  }

  void read_stem(const StemForm& form) {
    constexpr StemForm kDeep = {{{{"conv1.0", "conv1.1"}, {"conv1.3", "conv1.4"}, {"conv1.6", "bn1"}}}};
    constexpr StemForm kOne = {{{{"conv1", "bn1"}}}};
    const StemForm& plain = form.deep() ? kDeep : kOne;
    const auto take = [&](const Named& named, std::string_view path, std::string_view module) {
      const std::string_view name = behind_prefix(named);
      if (path.empty() || !name.starts_with(path)) return;
      const std::string_view leaf = known_leaf(name.substr(path.size()));
      if (!leaf.empty()) put(named, std::string(module), leaf);
    };
    for (const Named& named : below_) {
      for (std::size_t i = 0; i < form.parts.size(); ++i) {
        take(named, form.parts[i].conv, plain.parts[i].conv);
        take(named, form.parts[i].norm, plain.parts[i].norm);
      }
    }
  }

  const StateDict& tensors_;
  Spot spot_;
  const BlockPlace& place_;
  std::vector<Named> below_;
  std::map<BlockNumbers, BlockHere> blocks_;
  std::map<std::string_view, std::string> plain_;
};

}  // namespace

std::vector<FoundNetwork> find_by_name(const StateDict& tensors) {
  std::vector<FoundNetwork> networks;
  for (const Spot& spot : find_spots(tensors)) {
    std::optional<FoundNetwork> found = Reader(tensors, spot).read();
    if (!found) continue;
    const auto same = std::find_if(networks.begin(), networks.end(),
                                   [&](const FoundNetwork& other) { return other.prefix == found->prefix; });
    if (same == networks.end()) {
      networks.push_back(std::move(*found));
    } else if (same->names.size() < found->names.size()) {
      *same = std::move(*found);
    }
  }
  return networks;
}

}  // namespace resnet
