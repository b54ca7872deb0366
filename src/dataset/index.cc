#include "dataset/index.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "dataset/dataset.h"
#include "dataset/label_pictures.h"
#include "dataset/labels_file.h"
#include "dataset/listing.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

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

// Takes "test/" as a folder at the top, or below the folder that holds everything. Only what lies in it stays; gives
// its whole path.
std::string take_folder(Listing& listing, const std::string& only) {
  const auto lies_in = [](const std::string& prefix) {
    return [&prefix](const ListedFile& file) { return file.place.path.starts_with(prefix); };
  };
  std::string prefix = only;
  std::vector<ListedFile>& files = listing.files;
  if (std::none_of(files.begin(), files.end(), lies_in(prefix))) {
    prefix = find_folders(listing, "").root() + only;
    if (std::none_of(files.begin(), files.end(), lies_in(prefix))) {
      fail(ErrorCode::kNotFound, listing.containers.front()->name_of(folder_of(only)), "there is no such {}",
           listing.containers.front()->is_directory() ? "directory" : "folder in it");
    }
  }
  std::erase_if(files, [&](const ListedFile& file) { return !file.place.path.starts_with(prefix); });
  return prefix;
}

std::vector<std::shared_ptr<const Container>> open_archives(const std::string& path) {
  std::vector<std::shared_ptr<const Container>> containers;
  std::error_code error;
  for (const std::string& archive : expand_shards(path)) {
    if (!fs::exists(archive, error)) {
      fail(ErrorCode::kNotFound, archive.empty() ? "''" : archive, "there is no such file or directory");
    }
    containers.push_back(Container::open(archive));
  }
  return containers;
}

// One of CIFAR's files alone, with the names of its classes where they lie beside it.
std::vector<std::shared_ptr<const Container>> open_cifar_file(const std::string& path) {
  const fs::path file(path);
  const std::optional<CifarName> name = cifar_name(file.filename().string());
  std::error_code error;
  if (!name || name->names || !fs::is_regular_file(file, error)) return {};
  const fs::path directory = file.has_parent_path() ? file.parent_path() : fs::path(".");
  std::vector<std::string> names = {file.filename().string()};
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string other = entry.path().filename().string();
    const std::optional<CifarName> is = cifar_name(other);
    if (is && is->names && is->fine == name->fine && is->python == name->python) names.push_back(other);
  }
  const bool common = name->fine && name->python;  // "train" may be anything, but for "meta" beside it
  if (common && names.size() == 1) return {};
  return {Container::of_files(directory.string(), std::move(names))};
}

// Which files' bytes are worth keeping: pictures, or what the labels file names, as far as they may lie in the folder.
class WorthKeeping {
 public:
  WorthKeeping(const std::vector<LabelledFile>& labels, const std::string& only) : only_("/" + only) {
    for (const LabelledFile& file : labels) named_.insert(file.path);
  }

  bool operator()(const std::string& path) const {
    if (("/" + path).find(only_) == std::string::npos) return false;
    if (named_.empty()) return looks_like_input(path);
    for (std::size_t begin = 0; begin != std::string::npos;) {
      if (named_.contains(std::string_view(path).substr(begin))) return true;
      begin = path.find('/', begin);
      if (begin != std::string::npos) ++begin;
    }
    return false;
  }

 private:
  std::string only_;
  std::set<std::string_view> named_;
};

std::shared_ptr<const Index> index_of(std::vector<std::shared_ptr<const Container>> containers, const std::string& path,
                                      const std::string& only, const std::vector<LabelledFile>& labels,
                                      const IndexOptions& options) {
  Listing listing = list_files_of(std::move(containers), path, WorthKeeping(labels, only), options.keep);
  if (labels.empty() && holds_cifar(listing)) {
    Labeller labeller(std::move(listing), "");
    labeller.by_cifar(folder_of(only));
    return labeller.finish();
  }
  const std::string base = only.empty() ? "" : take_folder(listing, only);
  Labeller labeller(std::move(listing), base);
  if (labels.empty()) {
    labeller.by_place(options.classes);
  } else {
    labeller.by_labels_file(labels);
  }
  return labeller.finish();
}

std::shared_ptr<const Index> index_of_directory(std::string path, const std::string& only,
                                                const std::vector<LabelledFile>& labels, const IndexOptions& options) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::error_code error;
  const std::string folder = path + "/" + folder_of(only);
  const bool there = !only.empty() && fs::is_directory(folder, error);
  if (labels.empty())
    return index_of({Container::open(there ? folder : path)}, path, there ? "" : only, labels, options);
  if (!only.empty() && !there) fail(ErrorCode::kNotFound, folder, "there is no such directory");
  Listing listing{path, {Container::open(there ? folder : path)}, {}};  // files that are named need no listing
  Labeller labeller(std::move(listing), "");
  labeller.by_labels_file(labels);
  return labeller.finish();
}

}  // namespace

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string folder_of(const std::string& path) { return path.substr(0, std::min(path.rfind('/'), path.size())); }

bool Index::label_is_index(std::uint32_t label) const {
  const std::string& text = labels[label];
  return labels_may_be_indices && all_digits(text);
}

std::string Index::name(const IndexedPicture& picture) const {
  const IndexedFile& file = files[picture.file];
  const std::string name = containers[file.container]->name_of(file.place.path);
  return file.cifar ? fmt::format("{}[{}]", name, picture.record) : name;
}

std::string Index::path(const IndexedPicture& picture) const {
  const IndexedFile& file = files[picture.file];
  const std::string path = file.place.path.substr(root);
  return file.cifar ? fmt::format("{}[{}]", path, picture.record) : path;
}

std::shared_ptr<const Index> read_index(const std::string& path, const IndexOptions& options) {
  const std::string only = folder_prefix(options.only);
  std::vector<LabelledFile> labels;
  if (!options.labels_file.empty()) labels = read_labels_file(options.labels_file);
  std::error_code error;
  if (fs::is_directory(path, error)) return index_of_directory(path, only, labels, options);
  std::vector<std::shared_ptr<const Container>> containers;
  if (labels.empty()) containers = open_cifar_file(path);
  if (containers.empty()) containers = open_archives(path);
  return index_of(std::move(containers), path, only, labels, options);
}

}  // namespace resnet
