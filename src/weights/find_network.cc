#include "weights/find_network.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr std::array<std::string_view, 5> kContainers = {"state_dict", "model", "state_dict_ema", "model_ema", ""};

using Paths = std::unordered_set<std::string_view>;

// The name of a tensor within a container; "" where it stands elsewhere, or in a container inside it.
std::string_view name_within(std::string_view container, std::string_view name, const Paths& paths) {
  std::size_t begin = 0;
  if (!container.empty()) {
    if (!name.starts_with(container) || name.size() <= container.size() || name[container.size()] != '.') return "";
    begin = container.size() + 1;
  }
  for (std::size_t dot = name.find('.', begin); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
    if (paths.contains(name.substr(0, dot))) return "";
  }
  return name.substr(begin);
}

[[noreturn]] void fail_without_network(const TensorFile& file, const std::string& path) {
  constexpr std::size_t kShown = 10;
  std::string found;
  for (std::size_t i = 0; i < std::min(file.containers.size(), kShown); ++i) {
    found += fmt::format("{}'{}'", i == 0 ? "" : ", ", one_line(file.containers[i].path));
  }
  fail(ErrorCode::kFormat, path,
       "no tensors at its top nor in 'state_dict', 'model', 'state_dict_ema', 'model_ema'; {}",
       found.empty() ? "there are none elsewhere" : "there are some in " + found);
}

}  // namespace

std::string find_network(TensorFile& file, const std::string& path) {
  if (file.format == "safetensors") return "";
  for (const std::string_view wanted : kContainers) {
    const auto found = std::ranges::find_if(file.containers, [&](const TensorContainer& container) {
      return container.path == wanted && container.type != "list" && container.type != "tuple";
    });
    if (found == file.containers.end()) continue;
    Paths paths;
    for (const TensorContainer& container : file.containers) paths.insert(container.path);
    StateDict network;
    for (const auto& [name, tensor] : file.tensors) {
      const std::string_view within = name_within(wanted, name, paths);
      if (!within.empty()) network.add(std::string(within), tensor);
    }
    file.tensors = std::move(network);
    return std::string(wanted);
  }
  fail_without_network(file, path);
}

}  // namespace resnet
