#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "base/checked_file.h"
#include "base/error.h"
#include "dataset/container_kinds.h"
#include "formats/zip_archive.h"
#include "formats/zip_format.h"

namespace resnet {
namespace {

// "./a//b/" -> "a/b"; the archive's reader has refused what leads out of it.
std::string plain_path(const std::string& name) {
  std::string path;
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (!part.empty() && part != ".") path += (path.empty() ? "" : "/") + part;
    begin = end + 1;
  }
  return path;
}

class ZipContainer : public Container, public std::enable_shared_from_this<ZipContainer> {
 public:
  explicit ZipContainer(const std::string& path)
      : path_(path),
        file_(CheckedFile::open(path)),
        budget_(file_->size(), path),
        zip_(file_, path, budget_, ZipNames::kFiles) {
    order_.resize(zip_.entries().size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [this](std::size_t a, std::size_t b) {
      return zip_.entries()[a].header_offset < zip_.entries()[b].header_offset;
    });
    backslashes_ = std::ranges::none_of(
        zip_.entries(), [](const ZipEntry& entry) { return entry.name.find('/') != std::string_view::npos; });
  }

  bool reads_anywhere() const noexcept override { return true; }
  std::string name_of(const std::string& path) const override { return path_ + ":" + path; }
  std::unique_ptr<Walk> walk() const override;

  // With "/" between folders; programs of Windows have written backslashes.
  std::string name_of_file(const ZipEntry& entry) const {
    std::string name(entry.name);
    if (backslashes_) std::replace(name.begin(), name.end(), '\\', '/');
    return name;
  }

  // The entries in the order in which they lie in the file.
  std::size_t size() const { return order_.size(); }
  const ZipEntry& entry(std::size_t number) const { return zip_.entries()[order_[number]]; }

  FileBytes read(const ContainedFile& file, std::size_t max_bytes) const override {
    const ZipEntry& from = entry(static_cast<std::size_t>(file.number));
    if (from.size > max_bytes) fail(ErrorCode::kLimit, name_of(file.path), "{} bytes are too many", from.size);
    MemoryBudget budget(static_cast<std::size_t>(from.size), path_);
    OwnedBytes entry_bytes = zip_.read(from, budget);
    if (from.method == zip::kDeflated) return {std::move(entry_bytes.owner), entry_bytes.bytes};
    auto bytes = std::make_shared<std::vector<std::byte>>(entry_bytes.bytes.size());  // the archive's are not in memory
    file_->copy(entry_bytes.bytes, *bytes);
    const std::span<const std::byte> span = *bytes;
    return {std::move(bytes), span};
  }

 private:
  std::string path_;
  std::shared_ptr<const CheckedFile> file_;
  MemoryBudget budget_;
  ZipArchive zip_;
  std::vector<std::size_t> order_;
  bool backslashes_ = false;  // nothing else stands between folders
};

class ZipWalk : public Walk {
 public:
  explicit ZipWalk(std::shared_ptr<const ZipContainer> zip) : zip_(std::move(zip)) {}

  std::optional<ContainedFile> next() override {
    constexpr std::size_t kMaxTarget = 4096;
    while (next_ < zip_->size()) {
      const ZipEntry& entry = zip_->entry(next_);
      file_ = {};
      file_.number = next_++;
      const std::string name = zip_->name_of_file(entry);
      file_.path = plain_path(name);
      file_.size = entry.size;
      if (file_.path.empty()) continue;
      if (name.ends_with('/')) file_.kind = ContainedFile::Kind::kFolder;
      if (entry.is_link) {
        file_.kind = ContainedFile::Kind::kLink;
        const FileBytes target = zip_->read(file_, kMaxTarget);
        file_.target.assign(reinterpret_cast<const char*>(target.bytes.data()), target.bytes.size());
      }
      return file_;
    }
    return std::nullopt;
  }

  std::vector<std::byte> read(std::size_t max_bytes) override {
    const FileBytes file = zip_->read(file_, max_bytes);
    return {file.bytes.begin(), file.bytes.end()};
  }

 private:
  std::shared_ptr<const ZipContainer> zip_;
  std::size_t next_ = 0;
  ContainedFile file_;  // that next() gave
};

std::unique_ptr<Walk> ZipContainer::walk() const { return std::make_unique<ZipWalk>(shared_from_this()); }

}  // namespace

bool looks_like_zip(const InputFile& file) {
  std::array<std::byte, 4> begin{};
  if (!file.is_regular() || file.size() < begin.size()) return false;
  file.read_at(0, begin);
  const std::string_view text(reinterpret_cast<const char*>(begin.data()), begin.size());
  return text == "PK\x03\x04" || text == "PK\x05\x06";
}

std::shared_ptr<const Container> open_zip(const std::string& path) { return std::make_shared<ZipContainer>(path); }

}  // namespace resnet
