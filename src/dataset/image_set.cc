#include "dataset/image_set.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr std::uint32_t kNobody = UINT32_MAX;

struct Entry {
  std::string path;
  std::size_t inner_path = 0;
  std::uint32_t label = 0;
  std::optional<Place> place;
  std::shared_ptr<const std::vector<std::byte>> bytes;
};

// Class names become part of model files and of tables.
void check_name(const std::string& name, const std::string& path) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (valid_utf8_prefix(name) != name.size() || std::any_of(name.begin(), name.end(), control)) {
    fail(ErrorCode::kInvalidArgument, path, "the name of the class '{}' is not UTF-8 or holds control characters",
         one_line(name));
  }
}

// Finds the index of each label.
class Classes {
 public:
  explicit Classes(const std::vector<std::string>& known) : names_(known), fixed_(!known.empty()) {
    for (std::size_t i = 0; i < names_.size(); ++i) indexes_.emplace(names_[i], static_cast<std::uint32_t>(i));
  }

  // A number for a label that finish() may change, unless the classes are known beforehand.
  std::uint32_t number(const Item& item) {
    if (fixed_) return known(item);
    if (any_ && indexed_ != item.label_is_index) {
      fail(ErrorCode::kFormat, item.path, "the label '{}': some labels are indexes and some are names", item.label);
    }
    any_ = true;
    indexed_ = item.label_is_index;
    constexpr std::size_t kMaxDigits = 9;
    if (indexed_ && item.label.size() > kMaxDigits) {
      fail(ErrorCode::kFormat, item.path, "the label '{}' has more than {} digits", one_line(item.label), kMaxDigits);
    }
    const auto [found, added] = indexes_.emplace(item.label, static_cast<std::uint32_t>(names_.size()));
    if (added) {
      check_name(item.label, item.path);
      names_.push_back(item.label);
    }
    return found->second;
  }

  // Sorts the names; gives for each number the index that it has from now on.
  std::vector<std::uint32_t> finish(const std::string& path) {
    std::vector<std::uint32_t> order(names_.size());
    std::iota(order.begin(), order.end(), 0U);
    if (!fixed_) {
      std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
        return indexed_ ? std::stoul(names_[a]) < std::stoul(names_[b]) : names_[a] < names_[b];
      });
    }
    std::vector<std::string> sorted;
    std::vector<std::uint32_t> index(names_.size());
    for (const std::uint32_t number : order) {
      index[number] = static_cast<std::uint32_t>(sorted.size());
      sorted.push_back(names_[number]);
    }
    if (!fixed_ && indexed_) check_gaps(sorted, path);
    names_ = std::move(sorted);
    return index;
  }

  std::vector<std::string> names() { return std::move(names_); }

 private:
  std::uint32_t known(const Item& item) const {
    const auto found = indexes_.find(item.label);
    if (found != indexes_.end()) return found->second;
    if (item.label_is_index) {
      const bool fits = item.label.size() <= 6 && std::stoul(item.label) < names_.size();
      if (fits) return static_cast<std::uint32_t>(std::stoul(item.label));
      fail(ErrorCode::kMismatch, item.path, "the label {} is out of range, there are {} classes", item.label,
           names_.size());
    }
    fail(ErrorCode::kMismatch, item.path, "the class '{}' is none of the {} classes there are", one_line(item.label),
         names_.size());
  }

  static void check_gaps(const std::vector<std::string>& sorted, const std::string& path) {
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (std::stoul(sorted[i]) != i) {
        fail(ErrorCode::kInvalidArgument, path, "class {} has no picture, but class {} has", i, sorted[i]);
      }
    }
  }

  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t> indexes_;
  bool fixed_;
  bool any_ = false;
  bool indexed_ = false;
};

}  // namespace

struct ImageSet::Contents {
  std::vector<Entry> entries;
  std::vector<std::string> classes;
  std::vector<std::shared_ptr<const MappedFile>> archives;
};

ImageSet::ImageSet() : contents_(std::make_shared<Contents>()) {}

ImageSet ImageSet::open(const std::string& path, const ImageSetOptions& options) {
  const Dataset dataset = Dataset::open(path, options.dataset);
  auto contents = std::make_shared<Contents>();
  Classes classes(options.classes.empty() ? dataset.known_classes() : options.classes);
  std::size_t memory = 0;
  const auto source = dataset.places();
  while (std::optional<Item> item = source->next()) {
    Entry entry;
    entry.label = classes.number(*item);
    entry.place = item->place;
    if (item->bytes) {
      memory += item->bytes->size();
      if (memory > options.max_memory) {
        fail(ErrorCode::kLimit, path,
             "more than {} MiB of pictures, too many to be held in memory: unpack the archive, or leave it "
             "uncompressed",
             options.max_memory >> 20);
      }
      item->bytes->shrink_to_fit();
      entry.bytes = std::make_shared<const std::vector<std::byte>>(std::move(*item->bytes));
    }
    entry.path = std::move(item->path);
    entry.inner_path = item->inner_path;
    if (contents->entries.size() == kNobody) fail(ErrorCode::kLimit, path, "more than 2^32 - 1 pictures");
    contents->entries.push_back(std::move(entry));
  }
  if (contents->entries.empty()) fail(ErrorCode::kInvalidArgument, path, "there are no pictures in it");
  const std::vector<std::uint32_t> index = classes.finish(path);
  for (Entry& entry : contents->entries) entry.label = index[entry.label];
  contents->classes = classes.names();
  for (const std::string& archive : dataset.archives()) contents->archives.push_back(MappedFile::open(archive));
  ImageSet result;
  result.numbers_.resize(contents->entries.size());
  std::iota(result.numbers_.begin(), result.numbers_.end(), 0U);
  result.contents_ = std::move(contents);
  return result;
}

const std::vector<std::string>& ImageSet::classes() const noexcept { return contents_->classes; }

std::int64_t ImageSet::label(std::size_t image) const { return contents_->entries[numbers_[image]].label; }

std::string ImageSet::path(std::size_t image) const { return contents_->entries[numbers_[image]].path; }

std::string ImageSet::first_folder(std::size_t image) const {
  const Entry& entry = contents_->entries[numbers_[image]];
  const std::size_t slash = entry.path.find('/', entry.inner_path);
  if (entry.inner_path == 0 || slash == std::string::npos) return "";
  return entry.path.substr(entry.inner_path, slash - entry.inner_path);
}

FileBytes ImageSet::read(std::size_t image) const {
  const Entry& entry = contents_->entries[numbers_[image]];
  if (entry.bytes) return {entry.bytes, *entry.bytes};
  if (!entry.place) {
    const auto file = MappedFile::open(entry.path, kMaxFileBytes);
    return {file, file->bytes()};
  }
  const auto& archive = contents_->archives[entry.place->archive];
  if (entry.place->size > kMaxFileBytes)
    fail(ErrorCode::kLimit, entry.path, "{} bytes are too many", entry.place->size);
  if (entry.place->offset + entry.place->size > archive->bytes().size()) {
    fail(ErrorCode::kFormat, entry.path, "the archive has become shorter");
  }
  return {archive, archive->bytes().subspan(static_cast<std::size_t>(entry.place->offset),
                                            static_cast<std::size_t>(entry.place->size))};
}

ImageSet ImageSet::subset(std::span<const std::uint32_t> images) const {
  ImageSet result;
  result.contents_ = contents_;
  result.numbers_.reserve(images.size());
  for (const std::uint32_t image : images) result.numbers_.push_back(numbers_[image]);
  return result;
}

}  // namespace resnet
