#include "dataset/image_set.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "dataset/index.h"

namespace resnet {
namespace {

// Class names become part of model files and of tables.
void check_name(const std::string& name, const std::string& path) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (valid_utf8_prefix(name) != name.size() || std::any_of(name.begin(), name.end(), control)) {
    fail(ErrorCode::kInvalidArgument, path, "the name of the class '{}' is not UTF-8 or holds control characters",
         one_line(name));
  }
}

constexpr std::int64_t kUnknown = -1;

// Finds the index of each label of a set.
class Classes {
 public:
  Classes(const Index& index, const std::vector<std::string>& known) : index_(index), fixed_(!known.empty()) {
    places_.assign(index.labels.size(), kUnknown);
    names_ = fixed_ ? known : index.labels;
    if (!fixed_) std::iota(places_.begin(), places_.end(), std::int64_t{0});
    for (std::size_t i = 0; i < names_.size(); ++i) indexes_.emplace(names_[i], static_cast<std::int64_t>(i));
  }

  void check(const std::string& path) {
    for (std::size_t i = 0; !fixed_ && index_.labels_are_fixed && i < names_.size(); ++i) check_name(names_[i], path);
    std::vector<bool> seen(places_.size());
    for (const IndexedPicture& picture : index_.pictures) {
      if (seen[picture.label]) continue;
      seen[picture.label] = true;
      fixed_ ? find(picture) : check_new(picture);
    }
    if (!fixed_ && !index_.labels_are_fixed && index_.label_is_index(0)) check_gaps(path);
  }

  std::vector<std::string> names() { return std::move(names_); }
  std::vector<std::int64_t> places() { return std::move(places_); }

 private:
  void find(const IndexedPicture& picture) {
    const std::string& label = index_.labels[picture.label];
    std::int64_t& place = places_[picture.label];
    const auto found = indexes_.find(label);
    if (found != indexes_.end()) {
      place = found->second;
    } else if (!index_.label_is_index(picture.label)) {
      fail(ErrorCode::kMismatch, index_.name(picture), "the class '{}' is none of the {} classes there are",
           one_line(label), names_.size());
    } else if (label.size() <= 6 && std::stoul(label) < names_.size()) {
      place = std::stol(label);
    } else {
      fail(ErrorCode::kMismatch, index_.name(picture), "the label {} is out of range, there are {} classes", label,
           names_.size());
    }
  }

  void check_new(const IndexedPicture& picture) const {
    const std::string& label = index_.labels[picture.label];
    if (index_.label_is_index(picture.label) != index_.label_is_index(index_.pictures.front().label)) {
      fail(ErrorCode::kFormat, index_.name(picture), "the label '{}': some labels are indexes and some are names",
           one_line(label));
    }
    check_name(label, index_.name(picture));
  }

  // The labels are sorted by number.
  void check_gaps(const std::string& path) const {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] != std::to_string(i)) {
        fail(ErrorCode::kInvalidArgument, path, "class {} has no picture, but class {} has", i, names_[i]);
      }
    }
  }

  const Index& index_;
  bool fixed_;
  std::vector<std::string> names_;
  std::vector<std::int64_t> places_;  // of each label of the index
  std::map<std::string, std::int64_t> indexes_;
};

}  // namespace

struct ImageSet::Contents {
  std::shared_ptr<const Index> index = std::make_shared<Index>();
  std::vector<std::string> classes;
  std::vector<std::int64_t> places;  // index into `classes` of each label

  const IndexedFile& file(std::uint32_t picture) const { return index->files[index->pictures[picture].file]; }
};

ImageSet::ImageSet() : contents_(std::make_shared<Contents>()) {}

ImageSet ImageSet::open(const std::string& path, const ImageSetOptions& options) {
  auto contents = std::make_shared<Contents>();
  contents->index =
      read_index(path, {options.dataset.only, options.dataset.labels_file, true, std::optional(options.max_memory)});
  Classes classes(*contents->index, options.classes);
  classes.check(path);
  contents->classes = classes.names();
  contents->places = classes.places();
  ImageSet result;
  result.numbers_.resize(contents->index->pictures.size());
  std::iota(result.numbers_.begin(), result.numbers_.end(), 0U);
  result.contents_ = std::move(contents);
  return result;
}

const std::vector<std::string>& ImageSet::classes() const noexcept { return contents_->classes; }
const std::vector<std::string>& ImageSet::parts() const noexcept { return contents_->index->parts; }

std::int64_t ImageSet::label(std::size_t image) const {
  return contents_->places[contents_->index->pictures[numbers_[image]].label];
}

std::string ImageSet::path(std::size_t image) const {
  return contents_->index->name(contents_->index->pictures[numbers_[image]]);
}

std::string ImageSet::inner_path(std::size_t image) const {
  return contents_->index->path(contents_->index->pictures[numbers_[image]]);
}

std::string ImageSet::part(std::size_t image) const {
  return parts().empty() ? "" : parts()[contents_->index->pictures[numbers_[image]].part];
}

FileBytes ImageSet::read(std::size_t image) const {
  const IndexedFile& file = contents_->file(numbers_[image]);
  if (file.cifar) {
    auto bytes = std::make_shared<const std::vector<std::byte>>(
        file.cifar->picture(contents_->index->pictures[numbers_[image]].record));
    const std::span<const std::byte> span = *bytes;
    return {std::move(bytes), span};
  }
  if (file.bytes) return {file.bytes, *file.bytes};
  const Container& container = *contents_->index->containers[file.container];
  if (file.place.number == IndexedFile::kNowhere && !container.is_directory()) {
    fail(ErrorCode::kNotFound, path(image), "is not in the archive");
  }
  return container.read(file.place, kMaxFileBytes);
}

ImageSet ImageSet::subset(std::span<const std::uint32_t> images) const {
  ImageSet result;
  result.contents_ = contents_;
  result.numbers_.reserve(images.size());
  for (const std::uint32_t image : images) result.numbers_.push_back(numbers_[image]);
  return result;
}

}  // namespace resnet
