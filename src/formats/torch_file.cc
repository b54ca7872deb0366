#include "formats/torch_file.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_values.h"
#include "formats/foreign_files.h"
#include "formats/npz.h"
#include "formats/pickle.h"
#include "formats/pickled_tree.h"
#include "formats/plain_pickle.h"
#include "formats/torch_export.h"
#include "formats/torch_legacy.h"
#include "formats/torch_tar.h"
#include "formats/torch_tensors.h"
#include "formats/zip_archive.h"

namespace resnet {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view text, std::size_t at = 0) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

bool is_zip(std::span<const std::byte> bytes) { return starts_with(bytes, "PK\x03\x04"); }
bool is_tar(std::span<const std::byte> bytes) { return starts_with(bytes, "ustar", 257); }

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
  if (folder.empty()) fail(ErrorCode::kFormat, path, "{}", foreign_archive(archive));
  return folder;
}

// The entries of a torch.save archive, by their names within its folder.
class TorchArchive {
 public:
  TorchArchive(const ZipArchive& archive, const std::string& path, const std::shared_ptr<MemoryBudget>& budget)
      : path_(path), budget_(budget), archive_(archive), folder_(find_folder(archive_, path)) {
    if (const ZipEntry* entry = find("byteorder"); entry != nullptr) {
      if (!starts_with(archive_.read(*entry).load(), "little")) {
        fail(ErrorCode::kUnsupported, path,
             "written on a big-endian machine, whose files are not read: load and save it in PyTorch on this one");
      }
    }
  }

  bool is_script() const { return find("constants.pkl") != nullptr; }

  // Reads a pickle of the archive, whose storages lie in `folder`; what it holds stands under `base`.
  void read_pickle(const std::string& entry, const std::string& folder, const std::string& base, TensorFile& result) {
    const OwnedBytes bytes = archive_.read(*find(entry));
    budget_->charge(bytes.bytes.size(), "the pickle");
    const pickle::Pickle object =
        pickle::read_pickle(bytes.reader(path_ + ": " + entry), *budget_, pickle::Unknown::kKeep);
    if (object.end != bytes.bytes.size()) {
      fail(ErrorCode::kFormat, path_, "{}: offset {}: {} bytes after STOP", entry, object.end,
           bytes.bytes.size() - object.end);
    }
    const auto read = [this, &folder](const StorageId& id) { return storage(folder, id); };
    const TorchTensors tensors(read, bytes, budget_);
    read_tree({object, bytes, tensors, path_, budget_, {}, base}, result);
  }

  // The text of a TorchScript program, under "code/FILE".
  void read_code(TensorFile& result) const {
    const std::string code = fmt::format("{}/code/", folder_);
    for (const ZipEntry& entry : archive_.entries()) {
      if (!entry.name.starts_with(code) || !entry.name.ends_with(".py")) continue;
      const std::string name(entry.name.substr(folder_.size() + 1));
      if (entry.size > kMaxTextFile) {
        result.opaque.push_back({name, "text", "is too large"});
        continue;
      }
      const OwnedBytes bytes = archive_.read(entry);
      const std::span<const std::byte> text = bytes.load();
      add_text(result, name, {reinterpret_cast<const char*>(text.data()), text.size()}, *budget_);
    }
  }

 private:
  // Each storage is checked once, however many tensors share it, and when somebody asks for one of them.
  OwnedBytes storage(const std::string& folder, const StorageId& id) {
    const ZipEntry* entry = find(fmt::format("{}/{}", folder, id.key));
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

  const ZipEntry* find(std::string_view name) const { return archive_.find(fmt::format("{}/{}", folder_, name)); }

  static constexpr std::size_t kStorageBytes = 320;  // of what is kept of one

  std::string path_;
  std::shared_ptr<MemoryBudget> budget_;
  const ZipArchive& archive_;
  std::string_view folder_;
  std::unordered_map<const ZipEntry*, OwnedBytes> storages_;
};

TensorFile read_archive(const ZipArchive& zip, const std::string& path, const std::shared_ptr<MemoryBudget>& budget) {
  TorchArchive archive(zip, path, budget);
  TensorFile result;
  result.format = archive.is_script() ? "torchscript" : "torch-zip";
  archive.read_pickle("data.pkl", "data", "", result);
  if (archive.is_script()) {
    archive.read_pickle("constants.pkl", "constants", "constants", result);
    archive.read_code(result);
  }
  return result;
}

TensorFile read_zip(const std::shared_ptr<const CheckedFile>& file, const std::string& path,
                    const std::shared_ptr<MemoryBudget>& budget) {
  const ZipArchive zip(file, path, *budget);
  if (looks_like_npz(zip)) return read_npz(zip, file, path, budget);
  if (looks_like_torch_export(zip)) return read_torch_export(zip, path, budget);
  return read_archive(zip, path, budget);
}

}  // namespace

bool looks_like_torch(std::span<const std::byte> bytes) noexcept {
  return is_zip(bytes) || is_tar(bytes) || looks_like_pickle(bytes) || looks_like_zlib(bytes);
}

TensorFile read_torch_file(std::shared_ptr<const CheckedFile> file, const std::string& path) {
  constexpr std::size_t kMagic = 512;  // bytes that tell the formats apart
  const std::span<const std::byte> bytes = file->load(file->range().first(std::min(file->size(), kMagic)));
  const auto budget = std::make_shared<MemoryBudget>(file->size(), path);
  if (is_zip(bytes)) return read_zip(file, path, budget);
  if (is_tar(bytes)) return read_torch_tar(file, path, budget);
  if (looks_like_torch_legacy(bytes)) return read_torch_legacy(file, path, budget);
  if (looks_like_pickle(bytes)) return read_plain_pickle({file->range(), file}, path, budget);
  if (looks_like_zlib(bytes)) return read_packed_pickle({file->range(), file}, path, budget);
  fail(ErrorCode::kFormat, path, "neither a zip archive nor a pickle: not a PyTorch file");
}

TensorFile read_torch_save(const std::shared_ptr<const CheckedFile>& file, const std::string& path) {
  const auto budget = std::make_shared<MemoryBudget>(file->size(), path);
  if (!is_zip(file->load(file->range().first(std::min<std::size_t>(file->size(), 4))))) {
    return read_torch_legacy(file, path, budget);
  }
  return read_archive(ZipArchive(file, path, *budget), path, budget);
}

}  // namespace resnet
