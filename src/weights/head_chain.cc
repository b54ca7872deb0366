#include "weights/head_chain.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <set>

namespace resnet {
namespace {

constexpr std::size_t kMostLayers = 17;

// Where a name counts: "head.3" is number 3 in "head.", a Sequential; "fc2" is number 2 of "fc".
struct Counted {
  std::string_view sequence;
  int number = -1;
  bool sequential = false;

  bool in(const Counted& other) const { return number >= 0 && other.number >= 0 && sequence == other.sequence; }
};

Counted counted(std::string_view path) {
  std::size_t begin = path.size();
  while (begin > 0 && path[begin - 1] >= '0' && path[begin - 1] <= '9') --begin;
  int number = -1;
  const auto [end, error] = std::from_chars(path.data() + begin, path.data() + path.size(), number);
  if (begin == path.size() || error != std::errc()) return {};
  return {path.substr(0, begin), number, begin == 0 || path[begin - 1] == '.'};
}

std::string_view parent(std::string_view path) { return path.substr(0, path.rfind('.') + 1); }

// The linear layers by what they give and by the numbers in their names.
class LayerIndex {
 public:
  explicit LayerIndex(const std::vector<const HeadModule*>& modules) {
    for (const HeadModule* module : modules) {
      const auto sizes = module->linear();
      if (!sizes) continue;
      by_output_.emplace(sizes->out, module);
      const Counted place = counted(module->path);
      if (place.number >= 0) numbered_.emplace(std::pair(place.sequence, place.number), module);
    }
  }

  std::optional<HeadChain> chain_to(const HeadModule& last, std::int64_t features) const {
    if (!last.linear()) return std::nullopt;
    HeadChain chain;
    for (const HeadModule* layer = &last; chain.layers.size() < kMostLayers;) {
      chain.layers.insert(chain.layers.begin(), layer);
      const Before found = before(*layer, features);
      if (found.kind == Before::kFeatures) return chain;
      if (found.kind == Before::kNothing) return std::nullopt;
      layer = found.layer;
    }
    return std::nullopt;  // longer than any, or a circle
  }

 private:
  // What gives the values that a layer reads.
  struct Before {
    enum { kFeatures, kLayer, kNothing } kind = kNothing;
    const HeadModule* layer = nullptr;
  };

  Before before(const HeadModule& layer, std::int64_t features) const {
    const std::int64_t in = layer.linear()->in;
    if (const HeadModule* previous = previous_of(layer.path)) {
      if (previous->linear()->out == in) return {Before::kLayer, previous};
      if (counted(layer.path).sequential) return {};
    }
    const auto [fitting, end] = by_output_.equal_range(in);
    if (in == features || (in == 2 * features && fitting == end)) return {Before::kFeatures};
    if (fitting == end || std::next(fitting) != end) return {};
    return {Before::kLayer, fitting->second};
  }

  // With the next lower number of the same sequence.
  const HeadModule* previous_of(std::string_view path) const {
    const Counted here = counted(path);
    const auto place = numbered_.lower_bound(std::pair(here.sequence, here.number));
    if (here.number < 0 || place == numbered_.begin()) return nullptr;
    const auto& [key, module] = *std::prev(place);
    return key.first == here.sequence ? module : nullptr;
  }

  std::multimap<std::int64_t, const HeadModule*> by_output_;
  std::map<std::pair<std::string_view, int>, const HeadModule*> numbered_;
};

// How many modules of a Sequential between two numbers are no norms.
int room_between(int low, int high, std::string_view sequence, const std::vector<const HeadModule*>& norms) {
  const auto between = [&](const HeadModule* norm) {
    const Counted at = counted(norm->path);
    return at.sequential && at.sequence == sequence && at.number > low && at.number < high;
  };
  return high - low - 1 - static_cast<int>(std::count_if(norms.begin(), norms.end(), between));
}

class NormPlacer {
 public:
  NormPlacer(HeadChain& chain, const std::vector<const HeadModule*>& norms) : chain_(chain), norms_(norms) {
    std::stable_sort(norms_.begin(), norms_.end(), [](const HeadModule* a, const HeadModule* b) {
      return counted(a->path).number < counted(b->path).number;
    });
  }

  bool run(std::int64_t features, bool dropout) {
    for (const HeadModule* norm : norms_) {
      if (!(in_sequence(*norm) ? place_by_number(*norm) : place_by_size(*norm))) return false;
    }
    std::stable_sort(chain_.norms.begin(), chain_.norms.end(), [](const PlacedNorm& a, const PlacedNorm& b) {
      return std::pair(a.layer, !a.before) < std::pair(b.layer, !b.before);
    });
    for (std::size_t i = 0; i + 1 < chain_.layers.size(); ++i) chain_.bare.push_back(is_bare(i));
    const bool as_the_rest = behind_activation_ && !before_activation_;
    return !gap_ || dropout || as_the_rest || chain_.layers.front()->linear()->in == 2 * features;
  }

 private:
  std::int64_t in(std::size_t layer) const { return chain_.layers[layer]->linear()->in; }
  std::int64_t out(std::size_t layer) const { return chain_.layers[layer]->linear()->out; }
  static std::int64_t channels(const HeadModule& norm) { return norm.tensors.at("head.running_mean").count(); }

  bool in_sequence(const HeadModule& norm) const {
    const Counted at = counted(norm.path);
    return at.sequential && std::any_of(chain_.layers.begin(), chain_.layers.end(),
                                        [&](const HeadModule* layer) { return at.in(counted(layer->path)); });
  }

  bool put(const HeadModule& norm, std::size_t layer, bool before) {
    chain_.norms.push_back({&norm, layer, before});
    return channels(norm) == (before ? in(layer) : out(layer));
  }

  bool place_by_number(const HeadModule& norm) {
    const Counted at = counted(norm.path);
    std::optional<std::size_t> previous;
    std::optional<std::size_t> next;
    for (std::size_t i = 0; i < chain_.layers.size(); ++i) {
      const Counted layer = counted(chain_.layers[i]->path);
      if (!at.in(layer)) continue;
      if (layer.number < at.number) previous = i;
      if (layer.number > at.number && !next) next = i;
    }
    if (previous) {
      const int from = counted(chain_.layers[*previous]->path).number;
      const bool last = *previous + 1 == chain_.layers.size();
      if (room_between(from, at.number, at.sequence, norms_) == 0) {
        before_activation_ = before_activation_ || !last;
        return put(norm, *previous, false);
      }
      behind_activation_ = true;
      return !last && put(norm, *previous + 1, true);
    }
    const int to = counted(chain_.layers[*next]->path).number;
    const bool room = room_between(at.number, to, at.sequence, norms_) > 0;
    if (room && *next > 0) return false;  // an activation may stand on either side of it
    gap_ = gap_ || room;
    return put(norm, *next, true);
  }

  // Of the features, or of what one layer gives, where it then stands before the activation; one in each place.
  bool place_by_size(const HeadModule& norm) {
    std::vector<PlacedNorm> places;
    if (channels(norm) == in(0)) places.push_back({&norm, 0, true});
    for (std::size_t i = 0; i < chain_.layers.size(); ++i) {
      if (channels(norm) != out(i)) continue;
      if (is_called_like(norm, i)) places.clear();
      places.push_back({&norm, i, false});
      if (is_called_like(norm, i)) break;
    }
    if (places.size() != 1) return false;
    const PlacedNorm place = places.front();
    before_activation_ = before_activation_ || !place.before;
    chain_.norms.push_back(place);
    return std::count_if(chain_.norms.begin(), chain_.norms.end(), [&](const PlacedNorm& other) {
             return other.layer == place.layer && other.before == place.before;
           }) == 1;
  }

  // "bn2" is that of "fc2".
  bool is_called_like(const HeadModule& norm, std::size_t layer) const {
    const Counted a = counted(norm.path), b = counted(chain_.layers[layer]->path);
    return a.number >= 0 && a.number == b.number && !a.sequential && !b.sequential;
  }

  bool is_bare(std::size_t i) const {
    const Counted here = counted(chain_.layers[i]->path);
    const Counted next = counted(chain_.layers[i + 1]->path);
    return here.sequential && here.in(next) && room_between(here.number, next.number, here.sequence, norms_) == 0;
  }

  HeadChain& chain_;
  std::vector<const HeadModule*> norms_;
  bool gap_ = false;  // between a norm of the features and the first layer
  bool before_activation_ = false;
  bool behind_activation_ = false;
};

}  // namespace

std::optional<HeadModule::Sizes> HeadModule::linear() const {
  for (const char* leaf :
       {"head.weight", "head.weight_orig", "head.weight_v", "head.parametrizations.weight.original"}) {
    const Tensor* weight = tensors.find(leaf);
    if (weight == nullptr) continue;
    const Shape& shape = weight->shape();
    const bool matrix = shape.size() == 2 || (shape.size() == 4 && shape[2] == 1 && shape[3] == 1);
    constexpr std::int64_t kMost = std::numeric_limits<int>::max();
    if (matrix && shape[0] >= 1 && shape[1] >= 1 && std::max(shape[0], shape[1]) <= kMost) {
      return Sizes{shape[1], shape[0]};
    }
  }
  return std::nullopt;
}

bool HeadChain::has(const HeadModule& module) const {
  return std::find(layers.begin(), layers.end(), &module) != layers.end();
}

std::optional<HeadChain> chain_to(const HeadModule& last, const std::vector<const HeadModule*>& modules,
                                  std::int64_t features) {
  return LayerIndex(modules).chain_to(last, features);
}

std::vector<HeadChain> find_chains(const std::vector<const HeadModule*>& modules, std::int64_t features) {
  const LayerIndex index(modules);
  std::vector<HeadChain> chains;
  std::set<const HeadModule*> read;
  for (const HeadModule* module : modules) {
    auto chain = index.chain_to(*module, features);
    if (!chain) continue;
    read.insert(chain->layers.begin(), chain->layers.end() - 1);
    chains.push_back(std::move(*chain));
  }
  std::erase_if(chains, [&](const HeadChain& chain) { return read.contains(chain.layers.back()); });
  return chains;
}

bool place_norms(HeadChain& chain, const std::vector<const HeadModule*>& norms, std::int64_t features, bool dropout) {
  if (norms.size() > 2 * kMostLayers) return false;
  return NormPlacer(chain, norms).run(features, dropout);
}

bool stands_with(const HeadModule& norm, const HeadChain& chain, const std::vector<const HeadModule*>& modules) {
  const auto beside = [&](const HeadModule* module) { return parent(module->path) == parent(norm.path); };
  if (std::any_of(chain.layers.begin(), chain.layers.end(), beside)) return true;
  return std::none_of(modules.begin(), modules.end(),
                      [&](const HeadModule* module) { return module->linear() && beside(module); });
}

}  // namespace resnet
