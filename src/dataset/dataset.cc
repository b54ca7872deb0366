#include "dataset/dataset.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "dataset/archive_source.h"
#include "dataset/cifar.h"
#include "dataset/labels_file.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

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

std::vector<Item> items_of_labels(const std::string& directory, const std::vector<LabelledFile>& labels) {
  std::vector<Item> items;
  items.reserve(labels.size());
  for (const LabelledFile& file : labels) {
    const bool index = file.label.find_first_not_of("0123456789") == std::string::npos;
    items.push_back({directory + "/" + file.path, file.label, {}, {}, index, 0});
  }
  return items;
}

std::vector<Item> items_of_folders(const std::string& directory) {
  std::vector<std::string> classes;
  std::string stray;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) continue;
    std::error_code error;  // a link that leads nowhere is no directory
    const bool folder = entry.is_directory(error);
    if (folder) classes.push_back(name);
    if (!folder && looks_like_input(name)) stray = std::max(stray, name);
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
      items.push_back({std::move(file), name, {}, {}, false, 0});
    }
    if (items.size() == before) {
      fail(ErrorCode::kInvalidArgument, folder, "this class folder holds no pictures");
    }
  }
  if (items.empty()) fail(ErrorCode::kInvalidArgument, directory, "there are no class folders in it");
  return items;
}

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

std::vector<std::string> list_files(const std::string& directory, bool (*wanted)(const std::string& path),
                                    const ListingProblems& problems) {
  Lister lister(wanted, problems);
  lister.list(directory);
  return lister.take();
}

struct Dataset::Contents {
  std::string path;
  std::string only;                   // "" or a prefix that ends in "/"
  std::vector<std::string> archives;  // empty for a directory
  std::vector<Item> items;            // of a directory
  std::vector<LabelledFile> labelled;
  ArchiveSource::Labels labels;  // the same, for archives
  std::optional<Cifar> cifar;

  std::unique_ptr<Source> archive_source(ArchiveSource::Wanted wanted) const {
    return std::make_unique<ArchiveSource>(archives, only, labelled.empty() ? nullptr : &labels, wanted);
  }
};

Dataset Dataset::open(const std::string& path, const DatasetOptions& options) {
  auto contents = std::make_shared<Contents>();
  contents->path = path;
  contents->only = folder_prefix(options.only);
  if (!options.labels_file.empty()) contents->labelled = read_labels_file(options.labels_file);
  std::error_code error;
  if (options.labels_file.empty() && Cifar::is_at(path)) {
    contents->cifar.emplace(path, contents->only.empty() ? "" : folder_of(contents->only));
  } else if (!fs::is_directory(path, error)) {
    contents->archives = expand_shards(path);
    for (const std::string& archive : contents->archives) {
      if (!fs::exists(archive, error)) fail(ErrorCode::kNotFound, archive, "there is no such file or directory");
    }
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
  if (c.cifar) return c.cifar->items();
  if (!c.archives.empty()) return c.archive_source(ArchiveSource::Wanted::kBytes);
  return std::make_unique<ListSource>(std::shared_ptr<const std::vector<Item>>(contents_, &c.items));
}

std::unique_ptr<Source> Dataset::places() const {
  const bool archives = !contents_->archives.empty();
  return archives ? contents_->archive_source(ArchiveSource::Wanted::kPlaces) : items();
}

std::vector<std::string> Dataset::known_classes() const {
  return contents_->cifar ? contents_->cifar->classes() : std::vector<std::string>();
}

const std::vector<std::string>& Dataset::archives() const { return contents_->archives; }

std::vector<std::string> Dataset::labels() const {
  const Contents& c = *contents_;
  if (c.cifar) return c.cifar->classes();
  std::set<std::string> result;
  for (const LabelledFile& file : c.labelled) result.insert(file.label);
  for (const Item& item : c.items) result.insert(item.label);
  if (!c.archives.empty() && c.labelled.empty()) {
    const auto source = c.archive_source(ArchiveSource::Wanted::kLabels);
    while (const auto item = source->next()) result.insert(item->label);
  }
  return {result.begin(), result.end()};
}

std::optional<std::size_t> Dataset::count() const {
  if (contents_->cifar) return contents_->cifar->count();
  if (!contents_->labelled.empty()) return contents_->labelled.size();
  if (!contents_->archives.empty()) return std::nullopt;
  return contents_->items.size();
}

}  // namespace resnet
