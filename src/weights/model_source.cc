#include "weights/model_source.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/list_file.h"
#include "base/text.h"
#include "resnet/architecture.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;
using ConfigJson = nlohmann::json;

constexpr std::size_t kMaxTextBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxShards = 1000;
constexpr const char* kConfigs[] = {"config.json", "preprocessor_config.json"};
// In the order in which they are looked for.
constexpr const char* kWeights[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                    "pytorch_model.bin.index.json"};

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_index(const fs::path& path) { return path.string().ends_with(".index.json"); }

bool is_weights(const fs::path& path) {
  constexpr const char* kEndings[] = {".safetensors", ".pth", ".pt", ".th", ".bin", ".ckpt", ".pkl", ".tar"};
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](const char* ending) { return path.extension() == ending; });
}

// Names of an index's files, in its order.
std::vector<std::string> shards_of(const fs::path& index) {
  const TextFile file = TextFile::open(index.string(), kMaxTextBytes);
  const ConfigJson json = ConfigJson::parse(file.text(), nullptr, /*allow_exceptions=*/false);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object()) {
    fail(ErrorCode::kFormat, index.string(), "not an index of shards: it has no weight_map");
  }
  std::vector<std::string> shards;
  for (const auto& [tensor, shard] : map->items()) {
    const std::string name = shard.is_string() ? shard.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos || name == "..") {
      fail(ErrorCode::kFormat, index.string(), "tensor '{}' is in no file of this folder", one_line(tensor));
    }
    if (std::find(shards.begin(), shards.end(), name) == shards.end()) shards.push_back(name);
    if (shards.size() > kMaxShards)
      fail(ErrorCode::kLimit, index.string(), "more than {} shards, which is more than a model has", kMaxShards);
  }
  return shards;
}

TensorFile read_shards(const fs::path& index) {
  TensorFile all;
  for (const std::string& shard : shards_of(index)) {
    TensorFile file = read_tensor_file((index.parent_path() / shard).string());
    if (all.format.empty()) {
      all = std::move(file);
      continue;
    }
    for (const auto& [name, tensor] : file.tensors) {
      if (all.tensors.contains(name)) {
        fail(ErrorCode::kFormat, index.string(), "tensor '{}' is in several shards", one_line(name));
      }
      all.tensors.add(name, tensor);
    }
  }
  if (all.format.empty()) fail(ErrorCode::kFormat, index.string(), "an index of no tensors: its weight_map is empty");
  return all;
}

// Says what a folder without weights is, where its files tell.
[[noreturn]] void refuse_folder(const fs::path& folder) {
  constexpr std::pair<const char*, const char*> kOthers[] = {
      {".metadata",
       "is a checkpoint of torch.distributed in shards, which is not read: "
       "torch.distributed.checkpoint.format_utils.dcp_to_torch_save makes a file of it"},
      {"saved_model.pb", "is a TensorFlow SavedModel, which is not read: PyTorch's and NumPy's weights are"},
      {"config.json", "is a directory with a config.json, but without weights: no model.safetensors in it"},
  };
  for (const auto& [name, what] : kOthers) {
    if (is_there(folder / name)) fail(ErrorCode::kNotFound, folder.string(), "{}", what);
  }
  fail(ErrorCode::kNotFound, folder.string(),
       "is a directory without weights: no model.safetensors in it, nor another file of weights");
}

fs::path weights_in(const fs::path& folder) {
  for (const char* name : kWeights) {
    if (is_there(folder / name)) return folder / name;
  }
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (is_weights(it->path()) && !is_folder(it->path())) found.push_back(it->path().filename().string());
  }
  if (error) fail(ErrorCode::kIo, folder.string(), "{}", error.message());
  std::sort(found.begin(), found.end());
  if (found.empty()) refuse_folder(folder);
  if (found.size() > 1) {
    constexpr std::size_t kShown = 5;
    const std::size_t more = found.size() - std::min(found.size(), kShown);
    found.resize(found.size() - more);
    for (std::string& name : found) name = one_line(name);
    fail(ErrorCode::kUnsupported, folder.string(), "is a directory of several files of weights, name one of them: {}{}",
         fmt::join(found, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
  }
  return folder / found.front();
}

// A network's name where a file should be: it is no fault of the spelling.
void refuse_name(const std::string& path) {
  const auto named = [&](const Architecture& known) { return known.name == path; };
  if (is_there(path) || std::none_of(catalog().begin(), catalog().end(), named)) return;
  fail(ErrorCode::kNotFound, path,
       "is the name of a network, not a file of weights: give a trained file, such as PyTorch's .pth of it "
       "(docs/start.md), or write one with random weights: resnet init {0} -o {0}.safetensors",
       path);
}

}  // namespace

TensorFile read_model_source(const std::string& path) {
  refuse_name(path);
  const bool folder = is_folder(path);
  const fs::path weights = folder ? weights_in(path) : fs::path(path);
  TensorFile file = is_index(weights) ? read_shards(weights) : read_tensor_file(weights.string());
  const bool known = std::find(std::begin(kWeights), std::end(kWeights), weights.filename()) != std::end(kWeights);
  if (folder || known) {
    for (const char* name : kConfigs) {
      const fs::path config = weights.parent_path() / name;
      if (!is_there(config)) continue;
      const ConfigJson json = ConfigJson::parse(TextFile::open(config.string(), kMaxTextBytes).text(), nullptr, false);
      if (!json.is_object()) fail(ErrorCode::kFormat, config.string(), "not a JSON object");
      file.values[name] = json.dump();
    }
  }
  return file;
}

std::vector<std::string> weights_of_model_source(const std::string& path) {
  const fs::path weights = is_folder(path) ? weights_in(path) : fs::path(path);
  if (!is_index(weights)) return {weights.string()};
  std::vector<std::string> files;
  for (const std::string& shard : shards_of(weights)) files.push_back((weights.parent_path() / shard).string());
  return files;
}

}  // namespace resnet
