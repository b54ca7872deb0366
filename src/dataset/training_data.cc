// Which pictures train and which validate.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "dataset/archive_source.h"
#include "dataset/cifar.h"
#include "dataset/image_set.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSplitStream = 0x73706C6974;  // "split": its random numbers are nobody else's

// "train" beside a folder for validation and nothing else: the latter's name.
std::string validation_folder(const std::set<std::string>& folders) {
  if (folders.size() != 2 || !folders.contains("train")) return "";
  for (const char* name : {"val", "valid", "validation", "test"}) {
    if (folders.contains(name)) return name;
  }
  return "";
}

std::set<std::string> folders_of_directory(const std::string& path) {
  std::set<std::string> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with('.') && entry.is_directory(error)) folders.insert(name);
  }
  return folders;
}

std::set<std::string> folders_of_archive(const ImageSet& images) {
  std::set<std::string> folders;
  for (std::size_t i = 0; i < images.size(); ++i) folders.insert(images.first_folder(i));
  return folders;
}

ImageSet pictures_in(const ImageSet& images, const std::string& folder) {
  std::vector<std::uint32_t> found;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (images.first_folder(i) == folder) found.push_back(static_cast<std::uint32_t>(i));
  }
  return images.subset(found);
}

// "data.tar:train" -> "data.tar" and "train", where there is no file of the whole name.
std::pair<std::string, std::string> split_path(const std::string& path) {
  std::error_code error;
  const std::size_t colon = path.rfind(':');
  if (colon == std::string::npos || colon == 0 || fs::exists(path, error)) return {path, ""};
  return {path.substr(0, colon), path.substr(colon + 1)};
}

ImageSet open_set(const std::string& path, const std::string& folder, ImageSetOptions options,
                  const std::vector<std::string>& classes) {
  if (!folder.empty()) options.dataset.only = folder;
  if (!classes.empty()) options.classes = classes;
  return ImageSet::open(path, options);
}

// Both parts of a set that has them; all of it and an empty set where it has none.
TrainingData open_parts(const std::string& path, const ImageSetOptions& options) {
  const auto [place, folder] = split_path(path);
  if (!folder.empty() || !options.dataset.only.empty() || !options.dataset.labels_file.empty()) {
    return {open_set(place, folder, options, {}), {}};
  }
  std::error_code error;
  if (Cifar::is_at(place)) {
    const bool both = fs::is_directory(place, error) && Cifar(place, "").count() > Cifar(place, "train").count();
    TrainingData data{open_set(place, both ? "train" : "", options, {}), {}};
    if (both) data.val = open_set(place, "test", options, data.train.classes());
    return data;
  }
  if (fs::is_directory(place, error)) {
    const std::string validation = validation_folder(folders_of_directory(place));
    if (validation.empty()) return {open_set(place, "", options, {}), {}};
    TrainingData data{open_set(place, "train", options, {}), {}};
    data.val = open_set(place, validation, options, data.train.classes());
    return data;
  }
  ImageSet all = open_set(place, "", options, {});
  const std::string validation = validation_folder(folders_of_archive(all));
  if (validation.empty()) return {std::move(all), {}};
  return {pictures_in(all, "train"), pictures_in(all, validation)};
}

std::optional<double> as_fraction(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void check_classes(const ImageSet& train, const std::string& path) {
  std::vector<bool> present(train.classes().size());
  for (std::size_t i = 0; i < train.size(); ++i) present[static_cast<std::size_t>(train.label(i))] = true;
  const auto absent = std::find(present.begin(), present.end(), false);
  if (absent == present.end()) return;
  fail(ErrorCode::kInvalidArgument, path, "the class '{}' has no picture to train on",
       train.classes()[static_cast<std::size_t>(absent - present.begin())]);
}

}  // namespace

TrainingData open_training_data(const std::string& path, const std::string& val, std::uint64_t seed,
                                const ImageSetOptions& options) {
  TrainingData data = open_parts(path, options);
  if (options.classes.empty()) check_classes(data.train, path);
  if (val.empty()) return data;
  std::error_code error;
  const std::optional<double> fraction = as_fraction(val);
  if (fraction && !fs::exists(val, error)) {
    auto [train, taken] = split(data.train, *fraction, seed);
    return {std::move(train), std::move(taken)};
  }
  const auto [place, folder] = split_path(val);
  ImageSetOptions of_val = options;
  of_val.dataset = {};
  data.val = open_set(place, folder, of_val, data.train.classes());
  return data;
}

std::pair<ImageSet, ImageSet> split(const ImageSet& images, double fraction, std::uint64_t seed) {
  if (!(fraction > 0 && fraction < 1)) {
    fail(ErrorCode::kInvalidArgument, "validation", "the fraction {} is not between 0 and 1", fraction);
  }
  std::vector<std::vector<std::uint32_t>> by_class(images.classes().size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    by_class[static_cast<std::size_t>(images.label(i))].push_back(static_cast<std::uint32_t>(i));
  }
  std::vector<std::uint32_t> kept;
  std::vector<std::uint32_t> taken;
  for (std::size_t c = 0; c < by_class.size(); ++c) {
    std::vector<std::uint32_t>& members = by_class[c];
    Random random(seed_of({seed, kSplitStream, c}));
    auto count = static_cast<std::size_t>(std::nearbyint(fraction * static_cast<double>(members.size())));
    if (members.size() >= 2) count = std::clamp<std::size_t>(count, 1, members.size() - 1);
    if (members.size() < 2) count = 0;
    for (std::size_t i = 0; i < count; ++i) std::swap(members[i], members[i + random.below(members.size() - i)]);
    taken.insert(taken.end(), members.begin(), members.begin() + static_cast<std::ptrdiff_t>(count));
    kept.insert(kept.end(), members.begin() + static_cast<std::ptrdiff_t>(count), members.end());
  }
  if (kept.empty() || taken.empty()) {
    fail(ErrorCode::kInvalidArgument, "validation", "{} pictures are too few to be split", images.size());
  }
  std::sort(kept.begin(), kept.end());
  std::sort(taken.begin(), taken.end());
  return {images.subset(kept), images.subset(taken)};
}

}  // namespace resnet
