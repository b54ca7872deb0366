#include "weights/found_network.h"

#include "weights/find_by_name.h"
#include "weights/find_by_order.h"
#include "weights/network_names.h"

namespace resnet {

std::vector<FoundNetwork> find_networks(const StateDict& tensors) {
  std::vector<FoundNetwork> networks = find_by_name(tensors);
  if (!networks.empty()) return networks;
  if (auto found = find_by_order(tensors)) networks.push_back(std::move(*found));
  return networks;
}

SplitName split_leaf(std::string_view name) noexcept {
  // The longest leaf first: "parametrizations.weight.original0".
  constexpr std::string_view kParametrized = ".parametrizations.weight.";
  std::size_t cut = name.rfind(kParametrized);
  if (cut == std::string_view::npos) cut = name.find_last_of("._");
  while (cut != std::string_view::npos && cut > 0) {
    const std::string_view leaf = known_leaf(name.substr(cut + 1));
    if (!leaf.empty()) {
      // "bn1.running_mean": the underscore is the leaf's own.
      const std::size_t dot = name.rfind('.', cut);
      if (name[cut] == '_' && dot != std::string_view::npos && !known_leaf(name.substr(dot + 1)).empty()) {
        cut = dot;
        continue;
      }
      return {name.substr(0, cut), leaf};
    }
    if (name[cut] != '_') break;
    cut = name.find_last_of("._", cut - 1);
  }
  return {{}, name};
}

}  // namespace resnet
