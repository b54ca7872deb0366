#include "dataset/dataset.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "dataset/labels_file.h"
#include "dataset/tar.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "a/b/c.jpg" -> "a/b"
std::string folder_of(const std::string& path) { return path.substr(0, std::min(path.rfind('/'), path.size())); }

// Items that stand in memory as a list; the files are read by whoever takes them.
class ListSource : public Source {
 public:
  explicit ListSource(std::shared_ptr<const std::vector<Item>> items) : items_(std::move(items)) {}
  std::optional<Item> next() override {
    if (next_ == items_->size()) return std::nullopt;
    return (*items_)[next_++];
  }

 private:
  std::shared_ptr<const std::vector<Item>> items_;
  std::size_t next_ = 0;
};

using Labels = std::map<std::string, std::string>;

// The pictures of an archive in its order.
class TarSource : public Source {
 public:
  TarSource(const std::string& archive, const std::string& only, const Labels* labels, bool with_bytes)
      : archive_(archive), only_(only), tar_(ByteStream::open(archive)), with_bytes_(with_bytes) {
    if (labels != nullptr) unseen_ = *labels;
  }

  std::optional<Item> next() override {
    while (const std::optional<TarEntry> entry = tar_.next()) {
      if (entry->kind == TarEntry::Kind::kDirectory || !entry->path.starts_with(only_)) continue;
      const std::string path = entry->path.substr(only_.size());
      Item item{archive_ + ":" + entry->path, "", {}};
      if (!label(path, item)) continue;
      if (entry->kind != TarEntry::Kind::kFile) {
        fail(ErrorCode::kUnsupported, item.path, "is a link; an archive must hold the pictures themselves");
      }
      if (with_bytes_) item.bytes = tar_.read(kMaxFileBytes);
      return item;
    }
    if (!unseen_ || unseen_->empty()) return std::nullopt;
    const auto absent = unseen_->begin();  // there is no such file: whoever takes the item will say so
    Item item{archive_ + ":" + only_ + absent->first, absent->second, {}};
    unseen_->erase(absent);
    return item;
  }

 private:
  // False where the file is not part of the data set.
  bool label(const std::string& path, Item& item) {
    if (unseen_) {
      const auto found = unseen_->find(path);
      if (found == unseen_->end()) return false;
      item.label = found->second;
      unseen_->erase(found);
      return true;
    }
    if (!looks_like_input(path)) return false;
    const std::string folder = folder_of(path);
    if (folder == path) {
      fail(ErrorCode::kInvalidArgument, item.path,
           "lies in no class folder: paths of an archive must end in CLASS/FILE, or a labels file say the classes");
    }
    item.label = file_name(folder);
    return true;
  }

  std::string archive_;
  std::string only_;
  TarReader tar_;
  std::optional<Labels> unseen_;  // what the labels file names and the archive has not given yet
  bool with_bytes_;
};

std::vector<Item> items_of_labels(const std::string& directory, const std::vector<LabelledFile>& labels) {
  std::vector<Item> items;
  items.reserve(labels.size());
  for (const LabelledFile& file : labels) items.push_back({directory + "/" + file.path, file.label, {}});
  return items;
}

std::vector<Item> items_of_folders(const std::string& directory) {
  std::vector<std::string> classes;
  std::string stray;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) continue;
    if (entry.is_directory()) classes.push_back(name);
    if (!entry.is_directory() && looks_like_input(name)) stray = std::max(stray, name);
  }
  if (!stray.empty()) {
    fail(ErrorCode::kInvalidArgument, directory + "/" + stray,
         "lies in no class folder: a folder must hold CLASS/FILE, or a labels file say the classes");
  }
  std::sort(classes.begin(), classes.end());
  std::vector<Item> items;
  for (const std::string& name : classes) {
    const std::size_t before = items.size();
    const std::string folder = fmt::format("{}/{}", directory, name);
    for (std::string& file : list_files(folder, looks_like_input)) {
      items.push_back({std::move(file), name, {}});
    }
    if (items.size() == before) {
      fail(ErrorCode::kInvalidArgument, folder, "this class folder holds no pictures");
    }
  }
  if (items.empty()) fail(ErrorCode::kInvalidArgument, directory, "there are no class folders in it");
  return items;
}

// "test", "./test/" -> "test/"
std::string folder_prefix(const std::string& only) {
  if (only.empty()) return "";
  std::string prefix = fs::path(only).lexically_normal().generic_string();
  if (prefix == ".") return "";
  if (prefix.starts_with("/") || prefix.starts_with("..")) {
    fail(ErrorCode::kInvalidArgument, only, "is no folder inside the data set");
  }
  return prefix.ends_with('/') ? prefix : prefix + "/";
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
    const auto options = fs::directory_options::follow_directory_symlink;
    for (auto place = fs::recursive_directory_iterator(directory, options); place != fs::end(place); ++place) {
      const bool hidden = place->path().filename().string().starts_with('.');
      if (place->is_directory() && hidden) place.disable_recursion_pending();
      if (!hidden && !place->is_directory() && wanted(place->path().string())) files.push_back(place->path().string());
    }
    std::sort(files.begin(), files.end());
    return files;
  } catch (const fs::filesystem_error& error) {
    const bool absent = error.code() == std::errc::no_such_file_or_directory;
    fail(absent ? ErrorCode::kNotFound : ErrorCode::kIo, directory, "cannot list: {}", error.code().message());
  }
}

struct Dataset::Contents {
  std::string path;
  std::string only;  // "" or a prefix that ends in "/"
  bool archive = false;
  std::vector<Item> items;  // of a directory
  std::vector<LabelledFile> labelled;
  Labels labels;  // the same, for an archive
};

Dataset Dataset::open(const std::string& path, const DatasetOptions& options) {
  auto contents = std::make_shared<Contents>();
  contents->path = path;
  contents->only = folder_prefix(options.only);
  if (!options.labels_file.empty()) contents->labelled = read_labels_file(options.labels_file);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) fail(ErrorCode::kNotFound, path, "there is no such file or directory");
  contents->archive = !fs::is_directory(status);
  if (contents->archive) {
    for (const LabelledFile& file : contents->labelled) contents->labels.emplace(file.path, file.label);
  } else {
    std::string directory = path;
    while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
    if (!contents->only.empty()) directory += "/" + folder_of(contents->only);
    if (!fs::is_directory(directory, error)) fail(ErrorCode::kNotFound, directory, "there is no such directory");
    try {
      contents->items =
          options.labels_file.empty() ? items_of_folders(directory) : items_of_labels(directory, contents->labelled);
    } catch (const fs::filesystem_error& failure) {
      fail(ErrorCode::kIo, directory, "cannot list: {}", failure.code().message());
    }
  }
  Dataset result;
  result.contents_ = std::move(contents);
  return result;
}

std::unique_ptr<Source> Dataset::items() const {
  const Contents& c = *contents_;
  if (!c.archive) return std::make_unique<ListSource>(std::shared_ptr<const std::vector<Item>>(contents_, &c.items));
  return std::make_unique<TarSource>(c.path, c.only, c.labelled.empty() ? nullptr : &c.labels, true);
}

std::vector<std::string> Dataset::labels() const {
  const Contents& c = *contents_;
  std::set<std::string> result;
  for (const LabelledFile& file : c.labelled) result.insert(file.label);
  for (const Item& item : c.items) result.insert(item.label);
  if (c.archive && c.labelled.empty()) {
    TarSource source(c.path, c.only, nullptr, false);
    while (const auto item = source.next()) result.insert(item->label);
  }
  return {result.begin(), result.end()};
}

std::optional<std::size_t> Dataset::count() const {
  if (!contents_->labelled.empty()) return contents_->labelled.size();
  if (contents_->archive) return std::nullopt;
  return contents_->items.size();
}

}  // namespace resnet
