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
      read_into(item, file);
    }
    return item;
  }

 private:
  // Where others can be read after one that cannot, that one's error is its own.
  void read_into(Item& item, const IndexedFile& file) {
    const Container& container = *index_->containers[file.container];
    if (file.bytes) {
      item.bytes = *file.bytes;
    } else if (!container.reads_anywhere()) {
      item.bytes = read_on(file);
    } else {
      try {
        const FileBytes bytes = container.read(file.place, kMaxFileBytes);
        item.bytes.emplace(bytes.bytes.begin(), bytes.bytes.end());
      } catch (const Error& error) {
        item.error = error;
      }
    }
  }

  std::vector<std::byte> read_on(const IndexedFile& file) {
    const Container& container = *index_->containers[file.container];
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

// Lists what lies below a directory, link by link.
class Lister {
 public:
  Lister(bool (*wanted)(const std::string& path), const ListingProblems& problems)
      : wanted_(wanted), problems_(problems) {}

  void list(const fs::path& directory) {
    std::error_code error;
    const fs::path real = fs::canonical(directory, error);
    if (!error && std::find(above_.begin(), above_.end(), real) != above_.end()) {
      return tell(problems_.unreadable, Error(ErrorCode::kInvalidArgument, directory.string(),
                                              "a link that leads back to a folder that it lies in"));
    }
    above_.push_back(real);
    fs::directory_iterator entry;
    if (!error) entry = fs::directory_iterator(directory, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) look_at(*entry);
    above_.pop_back();
    if (!error) return;
    const bool absent = error == std::errc::no_such_file_or_directory;
    const Error failure(absent ? ErrorCode::kNotFound : ErrorCode::kIo, directory.string(),
                        "cannot list: " + error.message());
    if (above_.empty()) throw Error(failure);
    tell(problems_.unreadable, failure);
  }

  std::vector<std::string> take() {
    std::sort(files_.begin(), files_.end());
    return std::move(files_);
  }

 private:
  void look_at(const fs::directory_entry& entry) {
    if (entry.path().filename().string().starts_with('.')) return;
    std::error_code error;
    const fs::file_status status = entry.status(error);  // of what a link leads to
    const std::string path = entry.path().string();
    if (fs::is_directory(status)) {
      list(entry.path());
    } else if (wanted_(path)) {
      // What leads nowhere is an error for whoever reads it.
      if (!fs::exists(status) || fs::is_regular_file(status)) return files_.push_back(path);
      const char* what = fs::is_fifo(status) ? "pipe" : fs::is_socket(status) ? "socket" : "device";
      tell(problems_.passed_over, Error(ErrorCode::kInvalidArgument, path, fmt::format("is a {}, not a file", what)));
    }
  }

  static void tell(const std::function<void(const Error&)>& told, const Error& problem) {
    if (!told) throw Error(problem);
    told(problem);
  }

  bool (*wanted_)(const std::string& path);
  const ListingProblems& problems_;
  std::vector<fs::path> above_;  // the folders that the directory lies in, links resolved
  std::vector<std::string> files_;
};

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

std::vector<std::string> list_files(const std::string& directory, bool (*wanted)(const std::string& path),
                                    const ListingProblems& problems) {
  Lister lister(wanted, problems);
  lister.list(directory);
  return lister.take();
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

std::unique_ptr<Source> Dataset::items_called(const std::set<std::string>& paths) const {
  std::vector<std::uint32_t> pictures;
  for (std::size_t i = 0; i < index_->pictures.size(); ++i) {
    if (paths.contains(index_->name(index_->pictures[i]))) pictures.push_back(static_cast<std::uint32_t>(i));
  }
  return std::make_unique<IndexSource>(index_, std::move(pictures));
}

const std::vector<std::string>& Dataset::labels() const noexcept { return index_->labels; }
bool Dataset::labels_may_be_indices() const noexcept { return index_->labels_may_be_indices; }
const std::vector<std::string>& Dataset::parts() const noexcept { return index_->parts; }
std::size_t Dataset::count() const noexcept { return index_->pictures.size(); }

}  // namespace resnet
