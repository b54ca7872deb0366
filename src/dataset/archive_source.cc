#include "dataset/archive_source.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxShards = 100'000;

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "a/0001.seg.png" -> "a/0001"
std::string key_of(const std::string& path) {
  const std::size_t name = path.rfind('/') + 1;  // 0 where there is no folder
  return path.substr(0, std::min(path.find('.', name), path.size()));
}

struct Range {
  std::size_t begin;  // of "{" in the path
  std::size_t end;    // behind "}"
  std::size_t first;
  std::size_t last;
  std::size_t digits;
};

// The first "{A..B}" of a path.
std::optional<Range> find_range(const std::string& path) {
  constexpr std::size_t kMaxDigits = 9;
  for (std::size_t open = path.find('{'); open != std::string::npos; open = path.find('{', open + 1)) {
    const std::size_t close = path.find('}', open);
    const std::size_t dots = path.find("..", open);
    if (close == std::string::npos || dots == std::string::npos || dots > close) continue;
    const std::string first = path.substr(open + 1, dots - open - 1);
    const std::string last = path.substr(dots + 2, close - dots - 2);
    if (!all_digits(first) || !all_digits(last) || first.size() > kMaxDigits || last.size() > kMaxDigits) continue;
    return Range{open, close + 1, std::stoul(first), std::stoul(last), first.size()};
  }
  return std::nullopt;
}

void expand(const std::string& path, const std::string& original, std::vector<std::string>& paths) {
  const std::optional<Range> range = find_range(path);
  if (!range) {
    if (paths.size() == kMaxShards) fail(ErrorCode::kLimit, original, "more than {} archives", kMaxShards);
    paths.push_back(path);
    return;
  }
  if (range->first > range->last) fail(ErrorCode::kInvalidArgument, original, "its range runs backwards");
  for (std::size_t i = range->first; i <= range->last; ++i) {
    expand(fmt::format("{}{:0{}}{}", path.substr(0, range->begin), i, range->digits, path.substr(range->end)), original,
           paths);
  }
}

}  // namespace

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string folder_of(const std::string& path) { return path.substr(0, std::min(path.rfind('/'), path.size())); }

std::vector<std::string> expand_shards(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return {path};
  std::vector<std::string> paths;
  expand(path, path, paths);
  return paths;
}

ArchiveSource::ArchiveSource(std::vector<std::string> archives, std::string only, const Labels* labels, Wanted wanted)
    : archives_(std::move(archives)), only_(std::move(only)), wanted_(wanted) {
  if (labels != nullptr) unseen_ = *labels;
}

std::optional<Item> ArchiveSource::next() {
  for (; archive_ < archives_.size(); ++archive_, tar_.reset()) {
    if (!tar_) tar_.emplace(ByteStream::open(archives_[archive_]));
    if (std::optional<Item> item = next_of_archive()) return item;
    if (waiting_) fail_unlabelled(*waiting_);
    label_.reset();
  }
  return next_absent();
}

std::optional<Item> ArchiveSource::next_of_archive() {
  while (const std::optional<TarEntry> entry = tar_->next()) {
    if (entry->kind == TarEntry::Kind::kDirectory || !entry->path.starts_with(only_)) continue;
    const std::string path = entry->path.substr(only_.size());
    std::optional<Item> item;
    if (unseen_) {
      const auto found = unseen_->find(path);
      if (found == unseen_->end()) continue;
      item = make_item(*entry);
      item->label = found->second;
      item->label_is_index = all_digits(found->second);
      unseen_->erase(found);
    } else if (looks_like_input(path)) {
      item = take_picture(*entry, path);
    } else if (path.ends_with(".cls")) {
      item = take_label(*entry, path);
    }
    if (item) return item;
  }
  return std::nullopt;
}

// What the labels file names and no archive holds: whoever takes the item will say that there is no such file.
std::optional<Item> ArchiveSource::next_absent() {
  if (!unseen_ || unseen_->empty()) return std::nullopt;
  const auto absent = unseen_->begin();
  Item item;
  item.path = archives_.front() + ":" + only_ + absent->first;
  item.label = absent->second;
  item.label_is_index = all_digits(absent->second);
  unseen_->erase(absent);
  return item;
}

// The entry's name and bytes, no label.
Item ArchiveSource::make_item(const TarEntry& entry) {
  Item item;
  item.path = archives_[archive_] + ":" + entry.path;
  item.inner_path = archives_[archive_].size() + 1;
  if (entry.kind != TarEntry::Kind::kFile) {
    fail(ErrorCode::kUnsupported, item.path, "is a link; an archive must hold the pictures themselves");
  }
  if (wanted_ == Wanted::kBytes || (wanted_ == Wanted::kPlaces && tar_->compressed())) {
    item.bytes = tar_->read(kMaxFileBytes);
  } else if (wanted_ == Wanted::kPlaces) {
    item.place = Place{archive_, tar_->data_offset(), entry.size};
  }
  return item;
}

std::optional<Item> ArchiveSource::take_picture(const TarEntry& entry, const std::string& path) {
  Item item = make_item(entry);
  const std::string key = key_of(path);
  if (label_ && label_->key == key) {
    item.label = label_->text;
    item.label_is_index = true;
    label_.reset();
    set_ways(true, item.path);
    return item;
  }
  const bool no_folder = folder_of(path) == path;
  if (!no_folder && !cls_files_.value_or(false)) {
    label_by_folder(item, path);
    return item;
  }
  if (waiting_) fail_unlabelled(*waiting_);
  waiting_ = std::move(item);
  waiting_key_ = key;
  return std::nullopt;
}

std::optional<Item> ArchiveSource::take_label(const TarEntry& entry, const std::string& path) {
  const std::string where = archives_[archive_] + ":" + entry.path;
  constexpr std::size_t kMaxDigits = 6;
  constexpr std::size_t kMaxBytes = 64;
  if (entry.kind != TarEntry::Kind::kFile) fail(ErrorCode::kUnsupported, where, "is a link");
  const std::vector<std::byte> bytes = tar_->read(kMaxBytes);
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.erase(std::min(text.find_last_not_of(" \r\n\t") + 1, text.size()));
  if (!all_digits(text) || text.size() > kMaxDigits) {
    fail(ErrorCode::kFormat, where, "holds no class's index, a number of at most {} digits", kMaxDigits);
  }
  set_ways(true, where);
  Label label{key_of(path), std::to_string(std::stoul(text))};
  if (waiting_ && waiting_key_ == label.key) {
    std::optional<Item> item = std::move(waiting_);
    waiting_.reset();
    item->label = label.text;
    item->label_is_index = true;
    return item;
  }
  label_ = std::move(label);
  return std::nullopt;
}

void ArchiveSource::label_by_folder(Item& item, const std::string& path) {
  set_ways(false, item.path);
  item.label = file_name(folder_of(path));
}

// Of a picture that no .cls file followed, where others have one or no folder says the class.
void ArchiveSource::fail_unlabelled(const Item& item) const {
  if (cls_files_.value_or(false)) fail(ErrorCode::kFormat, item.path, "has no .cls file beside it, as others have");
  fail(ErrorCode::kInvalidArgument, item.path,
       "lies in no class folder and has no .cls file beside it: paths of an archive must end in CLASS/FILE, or a "
       "labels file say the classes");
}

// Either all pictures have a .cls file or none.
void ArchiveSource::set_ways(bool cls_files, const std::string& where) {
  if (cls_files_.value_or(cls_files) != cls_files) {
    fail(ErrorCode::kFormat, where, "a .cls file, but the pictures before it have none");
  }
  cls_files_ = cls_files;
}

}  // namespace resnet
