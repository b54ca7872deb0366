#include "formats/torch_file.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/pickle.h"
#include "formats/pickled_tree.h"
#include "formats/torch_legacy.h"
#include "formats/torch_tensors.h"
#include "formats/zip_archive.h"

namespace resnet {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view text, std::size_t at = 0) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

bool is_zip(std::span<const std::byte> bytes) { return starts_with(bytes, "PK\x03\x04"); }
bool is_tar(std::span<const std::byte> bytes) { return starts_with(bytes, "ustar", 257); }

bool is_pickle(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x80} && bytes[1] >= std::byte{2} && bytes[1] <= std::byte{5};
}

// "archive": the folder that all of torch.save's entries lie in.
std::string_view find_folder(const ZipArchive& archive, const std::string& path) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string_view folder;
  for (const ZipEntry& entry : archive.entries()) {
    if (!entry.name.ends_with(kPickle)) continue;
    const std::string_view candidate = entry.name.substr(0, entry.name.size() - kPickle.size());
    if (candidate.find('/') != std::string_view::npos) continue;
    if (!folder.empty()) fail(ErrorCode::kFormat, path, "has more than one data.pkl");
    folder = candidate;
  }
  if (folder.empty()) fail(ErrorCode::kFormat, path, "a zip archive without data.pkl: not one of PyTorch");
  return folder;
}

// The entries of a torch.save archive, by their names within its folder.
class TorchArchive {
 public:
  TorchArchive(const std::shared_ptr<const CheckedFile>& file, const std::string& path,
               const std::shared_ptr<MemoryBudget>& budget)
      : path_(path), budget_(budget), archive_(file, path, *budget), folder_(find_folder(archive_, path)) {
    if (find("constants.pkl") != nullptr) {
      fail(ErrorCode::kUnsupported, path, "a TorchScript program: save its state_dict() instead");
    }
    if (const ZipEntry* entry = find("byteorder"); entry != nullptr) {
      if (!starts_with(archive_.read(*entry).load(), "little")) {
        fail(ErrorCode::kUnsupported, path, "written on a big-endian machine");
      }
    }
  }

  OwnedBytes pickle() const { return archive_.read(*find("data.pkl")); }

  // Each storage is checked once, however many tensors share it, and when somebody asks for one of them.
  OwnedBytes storage(const StorageId& id) {
    const ZipEntry* entry = find(fmt::format("data/{}", id.key));
    if (entry == nullptr) fail(ErrorCode::kFormat, path_, "storage '{}' is missing", one_line(id.key));
    auto place = storages_.find(entry);
    if (place == storages_.end()) {
      budget_->charge(kStorageBytes, "storages");
      place = storages_.emplace(entry, archive_.defer(*entry, budget_)).first;
    }
    if (place->second.bytes.size() != id.count * id.element_size()) {
      fail(ErrorCode::kFormat, path_, "storage '{}' has {} bytes, {} elements of {} were promised", one_line(id.key),
           place->second.bytes.size(), id.count, id.dtype() ? name(*id.dtype()) : "bytes");
    }
    return place->second;
  }

 private:
  const ZipEntry* find(std::string_view name) const { return archive_.find(fmt::format("{}/{}", folder_, name)); }

  static constexpr std::size_t kStorageBytes = 320;  // of what is kept of one

  std::string path_;
  std::shared_ptr<MemoryBudget> budget_;
  ZipArchive archive_;
  std::string_view folder_;
  std::unordered_map<const ZipEntry*, OwnedBytes> storages_;
};

TensorFile read_torch_zip(const std::shared_ptr<const CheckedFile>& file, const std::string& path,
                          const std::shared_ptr<MemoryBudget>& budget) {
  TorchArchive archive(file, path, budget);
  const OwnedBytes bytes = archive.pickle();
  budget->charge(bytes.bytes.size(), "the pickle");
  const pickle::Pickle object = pickle::read_pickle(bytes.reader(path + ": data.pkl"), *budget, pickle::Unknown::kKeep);
  if (object.end != bytes.bytes.size()) {
    fail(ErrorCode::kFormat, path, "data.pkl: offset {}: {} bytes after STOP", object.end,
         bytes.bytes.size() - object.end);
  }
  TensorFile result;
  result.format = "torch-zip";
  const TorchTensors tensors([&archive](const StorageId& id) { return archive.storage(id); }, budget);
  read_tree({object, bytes, tensors, path, budget}, result);
  return result;
}

}  // namespace

bool looks_like_torch(std::span<const std::byte> bytes) noexcept {
  return is_zip(bytes) || is_pickle(bytes) || is_tar(bytes);
}

TensorFile read_torch_file(std::shared_ptr<const CheckedFile> file, const std::string& path) {
  constexpr std::size_t kMagic = 512;  // bytes that tell the formats apart
  const std::span<const std::byte> bytes = file->load(file->range().first(std::min(file->size(), kMagic)));
  const auto budget = std::make_shared<MemoryBudget>(file->size(), path);
  if (is_zip(bytes)) return read_torch_zip(file, path, budget);
  if (is_pickle(bytes)) return read_torch_legacy(file, path, budget);
  if (is_tar(bytes)) {
    fail(ErrorCode::kUnsupported, path,
         "a tar archive: if PyTorch before 0.2 wrote it, load it there and save it anew");
  }
  fail(ErrorCode::kFormat, path, "neither a zip archive nor a pickle: not a PyTorch file");
}

}  // namespace resnet
