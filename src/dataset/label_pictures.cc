#include "dataset/label_pictures.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "dataset/dataset.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxDigits = 6;  // of a class's index

bool is_picture(const ListedFile& file, std::string_view inside) {
  return is_file(file) && looks_like_input(file.place.path) && !is_hidden(inside);
}

}  // namespace

ClassFolders find_folders(const Listing& listing, const std::string& base) {
  std::vector<TreeEntry> entries;
  for (const ListedFile& file : listing.files) {
    const std::string_view path = file.place.path;
    if (file.place.kind == ContainedFile::Kind::kLink || !path.starts_with(base) || path.size() <= base.size())
      continue;
    const std::string_view inside = path.substr(base.size());
    if (is_hidden(inside)) continue;
    auto kind = is_file(file) ? TreeEntry::Kind::kOther : TreeEntry::Kind::kFolder;
    if (is_picture(file, inside)) kind = TreeEntry::Kind::kPicture;
    entries.push_back({inside, kind});
  }
  return ClassFolders(entries);
}

Labeller::Labeller(Listing listing, std::string base)
    : listing_(std::move(listing)), base_(std::move(base)), index_(std::make_shared<Index>()) {}

std::uint32_t Labeller::number_of(const std::string& text, bool is_index) {
  const auto [found, added] = numbers_.emplace(text, static_cast<std::uint32_t>(labels_.size()));
  if (added) labels_.push_back({text, is_index});
  return found->second;
}

void Labeller::add(std::size_t file, std::uint32_t label, std::uint32_t part) {
  index_->pictures.push_back({static_cast<std::uint32_t>(file), label, 0, part});
}

// The folder that all files lie in, "" or with "/".
std::string Labeller::common_folder() const {
  std::optional<std::string> common;
  for (const ListedFile& file : listing_.files) {
    const std::string& path = file.place.path;
    if (file.place.kind == ContainedFile::Kind::kFolder || is_hidden(path)) continue;
    if (!common) common = path;
    const auto [end, unused] = std::mismatch(common->begin(), common->end(), path.begin(), path.end());
    common->erase(end, common->end());
  }
  return common ? common->substr(0, common->rfind('/') + 1) : "";
}

void Labeller::by_labels_file(const std::vector<LabelledFile>& labels) {
  index_->labels_may_be_indices = true;
  std::map<std::string, const LabelledFile*> unseen;
  std::vector<const LabelledFile*> absent;
  const auto normal = [](const std::string& path) { return std::filesystem::path(path).lexically_normal().string(); };
  for (const LabelledFile& label : labels) {
    if (!unseen.emplace(normal(label.path), &label).second) absent.push_back(&label);  // ./a.jpg beside a.jpg
  }
  // The paths begin at the top, or in a folder that holds everything, as archives often have one.
  const auto fits = [&](const std::string& base) {
    return std::any_of(listing_.files.begin(), listing_.files.end(), [&](const ListedFile& file) {
      return file.place.path.starts_with(base) && unseen.contains(file.place.path.substr(base.size()));
    });
  };
  const std::string common = base_.empty() ? common_folder() : "";
  for (std::size_t end = 0; !fits(base_) && end < common.size();) {
    end = common.find('/', end) + 1;
    if (const std::string base = common.substr(0, end); fits(base)) base_ = base;
  }
  index_->root = base_.size();
  const auto take = [&](std::size_t file, const LabelledFile& label) {
    add(file, number_of(label.label, all_digits(label.label)));
  };
  refuse_links(listing_, [&](const std::string& path) {
    return path.starts_with(base_) && unseen.contains(path.substr(base_.size()));
  });
  for (std::size_t i = 0; i < listing_.files.size(); ++i) {
    if (!is_file(listing_.files[i]) || !listing_.files[i].place.path.starts_with(base_)) continue;
    const auto found = unseen.find(inside(i));
    if (found == unseen.end()) continue;
    take(i, *found->second);
    unseen.erase(found);
  }
  for (const LabelledFile& label : labels) {
    const auto found = unseen.find(normal(label.path));
    if (found == unseen.end() || found->second != &label) continue;
    ListedFile file;
    file.place.path = base_ + label.path;
    file.place.number = IndexedFile::kNowhere;
    listing_.files.push_back(std::move(file));
    take(listing_.files.size() - 1, label);
  }
  for (const LabelledFile* twice : absent) {
    fail(ErrorCode::kFormat, twice->path, "is in the labels file twice, written in two ways");
  }
}

// ---- Pictures in their places

std::vector<std::size_t> Labeller::find_pictures() const {
  std::vector<std::size_t> pictures;
  for (std::size_t i = 0; i < listing_.files.size(); ++i) {
    if (is_picture(listing_.files[i], inside(i))) pictures.push_back(i);
  }
  return pictures;
}

void Labeller::by_place(bool classes) {
  refuse_links(listing_, [this](const std::string& path) {
    return looks_like_input(path) && path.starts_with(base_) && !is_hidden(path.substr(base_.size()));
  });
  const std::vector<std::size_t> pictures = find_pictures();
  if (pictures.empty()) fail_empty(classes);
  const std::map<std::string, std::size_t> cls = cls_of(pictures);
  if (cls.empty()) return add_by_folder(pictures, classes);
  add_by_cls(pictures, cls);
}

void Labeller::fail_empty(bool classes) const {
  if (classes && listing_.containers.front()->is_directory()) {
    const ClassFolders folders = find_folders(listing_, base_);
    if (folders.without_pictures().empty()) {
      fail(ErrorCode::kInvalidArgument, listing_.where, "there are no class folders in it");
    }
    fail(ErrorCode::kInvalidArgument, listing_.containers.front()->name_of(base_ + folders.without_pictures().front()),
         "this class folder holds no pictures");
  }
  const char* what = listing_.containers.front()->is_directory() ? "this directory" : "it";
  fail(ErrorCode::kInvalidArgument, listing_.where, "there are no pictures in {}", what);
}

void Labeller::add_by_folder(const std::vector<std::size_t>& pictures, bool classes) {
  const ClassFolders folders = find_folders(listing_, base_);
  const std::vector<std::string>& empty = folders.without_pictures();
  if (classes && !empty.empty()) {
    fail(ErrorCode::kInvalidArgument, listing_.containers.front()->name_of(base_ + empty.front()),
         "this class folder holds no pictures");
  }
  index_->parts = folders.parts();
  index_->root = base_.size() + folders.root().size();
  for (const std::size_t picture : pictures) {
    const std::string path = inside(picture);
    const std::string name(folders.class_of(path));
    if (classes && name.empty()) {
      fail(ErrorCode::kInvalidArgument, listing_.name(listing_.files[picture]),
           "lies in no class folder and has no .cls file beside it: pictures lie in CLASS/FILE, or a labels file says "
           "their classes");
    }
    const auto part = std::ranges::find(index_->parts, folders.part_of(path)) - index_->parts.begin();
    add(picture, number_of(name, false), index_->parts.empty() ? 0 : static_cast<std::uint32_t>(part));
  }
  if (!listing_.containers.front()->is_directory()) return;
  std::sort(index_->pictures.begin(), index_->pictures.end(), [this](const auto& a, const auto& b) {
    return std::tie(a.part, labels_[a.label].text, a.file) < std::tie(b.part, labels_[b.label].text, b.file);
  });
}

// ---- .cls files

// What a picture and its .cls file have in common: the path up to the name's first dot, within one container.
std::string Labeller::key_of(std::size_t file) const {
  const std::string path = inside(file);
  const std::size_t name = path.rfind('/') + 1;  // 0 where there is no folder
  return fmt::format("{}:{}", listing_.files[file].container, path.substr(0, path.find('.', name)));
}

// The .cls files by key; none where no picture has one.
std::map<std::string, std::size_t> Labeller::cls_of(const std::vector<std::size_t>& pictures) const {
  std::map<std::string, std::size_t> cls;
  for (std::size_t i = 0; i < listing_.files.size(); ++i) {
    const ListedFile& file = listing_.files[i];
    if (is_cls(file.place.path) && is_file(file) && !is_hidden(inside(i))) cls.emplace(key_of(i), i);
  }
  const bool some = !cls.empty() && std::any_of(pictures.begin(), pictures.end(),
                                                [&](std::size_t picture) { return cls.contains(key_of(picture)); });
  return some ? cls : std::map<std::string, std::size_t>();
}

void Labeller::add_by_cls(const std::vector<std::size_t>& pictures, const std::map<std::string, std::size_t>& cls) {
  index_->root = base_.size() + find_folders(listing_, base_).root().size();
  index_->labels_may_be_indices = true;
  std::set<std::string> taken;
  for (const std::size_t picture : pictures) {
    const std::string key = key_of(picture);
    const auto found = cls.find(key);
    if (found == cls.end()) fail_unlabelled(picture, cls);
    if (!taken.insert(key).second) {
      fail(ErrorCode::kFormat, listing_.name(listing_.files[picture]), "the second picture beside {}",
           listing_.name(listing_.files[found->second]));
    }
    add(picture, number_of(label_of_cls(found->second), true));
  }
}

std::string Labeller::label_of_cls(std::size_t file) const {
  std::string text = listing_.files[file].text.value_or("");
  text.erase(std::min(text.find_last_not_of(" \r\n\t") + 1, text.size()));
  if (!all_digits(text) || text.size() > kMaxDigits) {
    fail(ErrorCode::kFormat, listing_.name(listing_.files[file]),
         "holds no class's index, a number of at most {} digits", kMaxDigits);
  }
  return std::to_string(std::stoul(text));
}

void Labeller::fail_unlabelled(std::size_t picture, const std::map<std::string, std::size_t>& cls) const {
  std::size_t first = listing_.files.size();
  for (const auto& [key, file] : cls) first = std::min(first, file);
  const std::string where = listing_.name(listing_.files[picture]);
  if (first < picture) fail(ErrorCode::kFormat, where, "has no .cls file beside it, as others have");
  if (inside(picture).find('/') == std::string::npos) {
    fail(ErrorCode::kInvalidArgument, where, "lies in no class folder and has no .cls file beside it");
  }
  fail(ErrorCode::kFormat, listing_.name(listing_.files[first]), "a .cls file, but the pictures before it have none");
}

// ---- What it comes to

std::shared_ptr<const Index> Labeller::finish() {
  Index& index = *index_;
  index.containers = std::move(listing_.containers);
  std::vector<std::uint32_t> order(labels_.size());
  std::iota(order.begin(), order.end(), 0U);
  const bool all_indices = std::all_of(labels_.begin(), labels_.end(), [](const Label& l) { return l.is_index; });
  const auto value = [this](std::uint32_t i) {  // a labels file may hold longer numbers than any class has
    const std::string& text = labels_[i].text;
    const std::string digits = text.substr(std::min(text.find_first_not_of('0'), text.size()));
    return std::tuple(digits.size(), digits, text);
  };
  if (!index.labels_are_fixed) {
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return all_indices ? value(a) < value(b) : labels_[a].text < labels_[b].text;
    });
  }
  std::vector<std::uint32_t> places(labels_.size());
  for (const std::uint32_t label : order) {
    places[label] = static_cast<std::uint32_t>(index.labels.size());
    index.labels.push_back(labels_[label].text);
  }
  std::vector<std::uint32_t> moved(listing_.files.size(), UINT32_MAX);
  for (IndexedPicture& picture : index.pictures) {
    picture.label = places[picture.label];
    std::uint32_t& file = moved[picture.file];
    if (file == UINT32_MAX) {
      file = static_cast<std::uint32_t>(index.files.size());
      index.files.push_back(std::move(static_cast<IndexedFile&>(listing_.files[picture.file])));
    }
    picture.file = file;
  }
  return std::move(index_);
}

}  // namespace resnet
