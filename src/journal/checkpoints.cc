#include "journal/checkpoints.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "formats/safetensors.h"
#include "journal/crc32c.h"
#include "resnet/tensor_file.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

constexpr const char* kChecksumKey = "checkpoint.crc32c";
constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kSuffix = ".safetensors";

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Of names, types, shapes and values, in order, and of the values beside them.
std::string checksum(const Checkpoint& checkpoint) {
  std::uint32_t crc = 0;
  const auto add = [&](std::string_view text) {  // each with its end, so that none can move into the next
    crc = crc32c(crc, bytes_of(text));
    crc = crc32c(crc, bytes_of(std::string_view("\0", 1)));
  };
  for (const auto& [key, value] : checkpoint.values) {
    if (key == kChecksumKey) continue;
    add(key);
    add(value);
  }
  for (const auto& [name, tensor] : checkpoint.tensors) {
    add(name);
    add(resnet::name(tensor.dtype()));
    add(to_string(tensor.shape()));
    crc = crc32c(crc, tensor.in_memory().bytes());
  }
  return fmt::format("{:08x}", crc);
}

Checkpoint read(const std::string& path) {
  TensorFile file = read_tensor_file(path);
  Checkpoint checkpoint{std::move(file.tensors), std::move(file.metadata)};
  const auto stated = checkpoint.values.find(kChecksumKey);
  if (stated == checkpoint.values.end()) fail(ErrorCode::kFormat, path, "has no checksum");
  if (stated->second != checksum(checkpoint))
    fail(ErrorCode::kFormat, path, "its checksum does not fit: it is damaged");
  checkpoint.values.erase(stated);
  return checkpoint;
}

}  // namespace

std::string CheckpointFolder::save(const Checkpoint& checkpoint, std::int64_t step) const {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) fail(ErrorCode::kIo, directory_, "cannot make the folder: {}", error.message());
  std::string path = fmt::format("{}/{}{:010}{}", directory_, kPrefix, step, kSuffix);
  auto values = checkpoint.values;
  values[kChecksumKey] = checksum(checkpoint);
  write_safetensors(checkpoint.tensors, values, path);
  const std::vector<std::string> all = paths();
  for (std::size_t i = static_cast<std::size_t>(keep_); i < all.size(); ++i) {
    if (all[i] != path) fs::remove(all[i], error);  // one that cannot be removed does no harm
  }
  return path;
}

std::optional<CheckpointFolder::Found> CheckpointFolder::newest() const {
  std::vector<std::string> damaged;
  for (const std::string& path : paths()) {
    try {
      return Found{read(path), path, std::move(damaged)};
    } catch (const Error& problem) {
      damaged.emplace_back(problem.what());
    }
  }
  if (damaged.empty()) return std::nullopt;
  fail(ErrorCode::kFormat, directory_, "every checkpoint is damaged: {}", fmt::join(damaged, "; "));
}

void CheckpointFolder::remove_unfinished() const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && name.find(".tmp.") != std::string::npos) fs::remove(entry.path(), error);
  }
}

std::vector<std::string> CheckpointFolder::paths() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix)) names.push_back(entry.path().string());
  }
  std::sort(names.rbegin(), names.rend());
  return names;
}

}  // namespace resnet
