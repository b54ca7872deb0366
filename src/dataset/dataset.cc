#include "dataset/dataset.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "dataset/index.h"
#include "dataset/spread.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

// Some pictures of an index in their order.
class IndexSource : public Source {
 public:
  IndexSource(std::shared_ptr<const Index> index, std::vector<std::uint32_t> pictures)
      : index_(std::move(index)), pictures_(std::move(pictures)) {}

  std::optional<Item> next() override {
    if (next_ == pictures_.size()) return std::nullopt;
    const IndexedPicture& picture = index_->pictures[pictures_[next_++]];
    const IndexedFile& file = index_->files[picture.file];
    Item item;
    item.path = index_->name(picture);
    item.label = index_->labels[picture.label];
    item.label_is_index = index_->label_is_index(picture.label);
    if (file.cifar) {
      item.bytes = file.cifar->picture(picture.record);
    } else if (!index_->containers[file.container]->is_directory() && file.place.number != IndexedFile::kNowhere) {
      item.bytes = read(file);
    }
    return item;
  }

 private:
  std::vector<std::byte> read(const IndexedFile& file) {
    if (file.bytes) return *file.bytes;
    const Container& container = *index_->containers[file.container];
    if (container.reads_anywhere()) {
      const FileBytes bytes = container.read(file.place, kMaxFileBytes);
      return {bytes.bytes.begin(), bytes.bytes.end()};
    }
    if (walked_ != file.container) walk_ = container.walk();
    walked_ = file.container;
    while (const auto found = walk_->next()) {
      if (found->number == file.place.number && found->path == file.place.path) return walk_->read(kMaxFileBytes);
    }
    fail(ErrorCode::kIo, container.name_of(file.place.path), "is no longer where it was: the archive has changed");
  }

  std::shared_ptr<const Index> index_;
  std::vector<std::uint32_t> pictures_;
  std::size_t next_ = 0;
  std::unique_ptr<Walk> walk_;  // of the container that cannot be read anywhere
  std::optional<std::uint32_t> walked_;
};

// Adds what lies below a directory. `above` are the folders that the directory lies in, links resolved.
void list_files(const fs::path& directory, bool (*wanted)(const std::string& path), std::vector<fs::path>& above,
                std::vector<std::string>& files) {
  const fs::path real = fs::canonical(directory);
  if (std::find(above.begin(), above.end(), real) != above.end()) {
    fail(ErrorCode::kInvalidArgument, directory.string(), "a link that leads back to a folder that it lies in");
  }
  above.push_back(real);
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with('.')) continue;
    std::error_code error;  // a link that leads nowhere is no directory
    if (entry.is_directory(error)) {
      list_files(entry.path(), wanted, above, files);
    } else if (wanted(entry.path().string())) {
      files.push_back(entry.path().string());
    }
  }
  above.pop_back();
}

}  // namespace

bool looks_like_input(const std::string& path) {
  static constexpr std::array<std::string_view, 14> kEndings = {".jpg",  ".jpeg", ".png",  ".webp", ".bmp",
                                                                ".gif",  ".tif",  ".tiff", ".ppm",  ".pgm",
                                                                ".avif", ".heic", ".jxl",  ".npy"};
  std::string name = file_name(path);
  if (name.starts_with('.')) return false;
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return 'A' <= c && c <= 'Z' ? c + 32 : c; });
  return std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

std::vector<std::string> list_files(const std::string& directory, bool (*wanted)(const std::string& path)) {
  try {
    std::vector<std::string> files;
    std::vector<fs::path> above;
    list_files(directory, wanted, above, files);
    std::sort(files.begin(), files.end());
    return files;
  } catch (const fs::filesystem_error& error) {
    const bool absent = error.code() == std::errc::no_such_file_or_directory;
    fail(absent ? ErrorCode::kNotFound : ErrorCode::kIo, directory, "cannot list: {}", error.code().message());
  }
}

Dataset Dataset::open(const std::string& path, const DatasetOptions& options) {
  Dataset result;
  result.index_ = read_index(path, {options.only, options.labels_file, options.classes, std::nullopt});
  return result;
}

std::unique_ptr<Source> Dataset::items(std::int64_t limit) const {
  const std::size_t count = limit < 0 ? index_->pictures.size() : static_cast<std::size_t>(limit);
  return std::make_unique<IndexSource>(index_, spread(*index_, count));
}

const std::vector<std::string>& Dataset::labels() const noexcept { return index_->labels; }
bool Dataset::labels_may_be_indices() const noexcept { return index_->labels_may_be_indices; }
const std::vector<std::string>& Dataset::parts() const noexcept { return index_->parts; }
std::size_t Dataset::count() const noexcept { return index_->pictures.size(); }

}  // namespace resnet
