#include "dataset/cifar.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/list_file.h"
#include "base/text.h"
#include "dataset/cifar_pickle.h"
#include "formats/npy.h"

namespace resnet {
namespace {

constexpr std::size_t kSide = 32;
constexpr std::size_t kPlane = kSide * kSide;

// The lines that are not empty.
std::vector<std::string> lines_of(std::span<const std::byte> bytes) {
  std::string_view text = without_byte_order_mark({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  std::vector<std::string> lines;
  for (std::string_view line; take_line(text, line);) {
    if (!trimmed(line).empty()) lines.emplace_back(trimmed(line));
  }
  return lines;
}

}  // namespace

std::optional<CifarName> cifar_name(std::string_view name) {
  if (name == "train.bin") return CifarName{.fine = true};
  if (name == "test.bin") return CifarName{.fine = true, .test = true};
  if (name == "fine_label_names.txt") return CifarName{.fine = true, .names = true};
  if (name == "test_batch.bin") return CifarName{.test = true};
  if (name == "batches.meta.txt") return CifarName{.names = true};
  if (name == "train") return CifarName{.fine = true, .python = true};
  if (name == "test") return CifarName{.fine = true, .test = true, .python = true};
  if (name == "meta") return CifarName{.fine = true, .names = true, .python = true};
  if (name == "test_batch") return CifarName{.test = true, .python = true};
  if (name == "batches.meta") return CifarName{.names = true, .python = true};
  constexpr std::string_view kBatch = "data_batch_";
  if (!name.starts_with(kBatch)) return std::nullopt;
  name.remove_prefix(kBatch.size());
  if (name.ends_with(".bin")) return CifarName{};
  return all_digits(name) ? std::optional(CifarName{.python = true}) : std::nullopt;
}

std::vector<std::string> read_cifar_names(std::span<const std::byte> bytes, const CifarName& name,
                                          const std::string& where) {
  const std::vector<std::string> names =
      name.python ? read_pickled_names(bytes, name.fine ? "fine_label_names" : "label_names", where) : lines_of(bytes);
  const int count = name.classes();
  if (names.size() != static_cast<std::size_t>(count)) {
    fail(ErrorCode::kFormat, where, "{} names, but CIFAR-{} has {} classes", names.size(), count, count);
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) fail(ErrorCode::kFormat, where, "the name '{}' is there twice", one_line(*twice));
  return names;
}

CifarFile::CifarFile(FileBytes file, const CifarName& name, const std::string& where) {
  if (name.python) {
    PickledPictures pictures =
        read_pickled_pictures(std::move(file), name.fine ? "fine_labels" : "labels", 3 * kPlane, where);
    pixels_ = std::move(pictures.pixels);
    stride_ = 3 * kPlane;
    labels_ = std::move(pictures.labels);
    if (labels_.empty()) fail(ErrorCode::kFormat, where, "holds no pictures");
  } else {
    read_records(std::move(file), name.fine, where);
  }
  for (std::size_t i = 0; i < count(); ++i) {
    if (label(i) >= 0 && label(i) < name.classes()) continue;
    const std::string offset = name.python ? "" : fmt::format("offset {}: ", i * stride_ + stride_ - 3 * kPlane - 1);
    fail(ErrorCode::kFormat, fmt::format("{}[{}]", where, i), "{}the label {} is out of range, there are {} classes",
         offset, label(i), name.classes());
  }
}

void CifarFile::read_records(FileBytes file, bool fine, const std::string& where) {
  const std::size_t label_bytes = fine ? 2 : 1;
  stride_ = label_bytes + 3 * kPlane;
  const std::size_t size = file.bytes.size();
  if (size == 0 || size % stride_ != 0) {
    fail(ErrorCode::kFormat, where, "{} bytes, no whole number of records of {} bytes (CIFAR-{})", size, stride_,
         fine ? 100 : 10);
  }
  for (std::size_t at = label_bytes - 1; at < size; at += stride_) {
    labels_.push_back(std::to_integer<int>(file.bytes[at]));
  }
  pixels_ = {std::move(file.owner), file.bytes.subspan(label_bytes)};
}

std::vector<std::byte> CifarFile::picture(std::size_t picture) const {
  std::vector<std::uint8_t> pixels(3 * kPlane);
  const std::byte* planes = pixels_.bytes.data() + picture * stride_;
  for (std::size_t i = 0; i < kPlane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) pixels[3 * i + c] = std::to_integer<std::uint8_t>(planes[c * kPlane + i]);
  }
  static constexpr std::array<std::int64_t, 3> kShape = {kSide, kSide, 3};
  return make_npy(kShape, pixels);
}

}  // namespace resnet
