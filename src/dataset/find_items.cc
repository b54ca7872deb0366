#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "dataset/cifar.h"
#include "dataset/dataset.h"
#include "dataset/index.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

// The archive or file of many pictures that a picture lies in; empty where it is a file itself, or nothing is there.
std::string set_of(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error)) return "";
  for (std::size_t colon = path.rfind(':'); colon != std::string::npos && colon > 0;
       colon = path.rfind(':', colon - 1)) {
    std::string archive = path.substr(0, colon);
    if (fs::is_regular_file(archive, error)) return archive;
  }
  std::string file = path.substr(0, std::min(path.rfind('['), path.size()));
  return fs::is_regular_file(file, error) ? file : "";
}

}  // namespace

bool looks_like_set(const std::string& path) {
  static constexpr std::array<std::string_view, 11> kEndings = {
      ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst"};
  const std::string name = file_name(path);
  if (const auto cifar = cifar_name(name)) return !cifar->names && !(cifar->python && cifar->fine);
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return 'A' <= c && c <= 'Z' ? c + 32 : c; });
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return lower.ends_with(ending); });
}

std::vector<Item> find_items(const std::vector<std::string>& paths) {
  std::vector<Item> items(paths.size());
  std::map<std::string, std::set<std::string>> wanted;  // by set
  std::map<std::string, std::vector<std::size_t>> places;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    items[i].path = paths[i];
    const std::string set = set_of(paths[i]);
    if (set.empty()) continue;
    wanted[set].insert(paths[i]);
    places[paths[i]].push_back(i);
  }
  for (const auto& [set, names] : wanted) {
    try {
      const auto source = Dataset::open(set, {"", "", /*classes=*/false}).items_called(names);
      while (const auto item = source->next()) {
        for (const std::size_t place : places[item->path]) items[place] = *item;
      }
    } catch (const Error& error) {
      for (const std::string& name : names) {
        for (const std::size_t place : places[name]) {
          if (!items[place].bytes) items[place].error = error;
        }
      }
    }
  }
  return items;
}

}  // namespace resnet
