#include "dataset/cifar.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/npy.h"

namespace resnet {
namespace {

constexpr std::size_t kSide = 32;
constexpr std::size_t kPlane = kSide * kSide;

}  // namespace

std::optional<CifarName> cifar_name(std::string_view name) {
  if (name == "train.bin") return CifarName{.fine = true};
  if (name == "test.bin") return CifarName{.fine = true, .test = true};
  if (name == "fine_label_names.txt") return CifarName{.fine = true, .names = true};
  if (name == "test_batch.bin") return CifarName{.test = true};
  if (name == "batches.meta.txt") return CifarName{.names = true};
  if (name.starts_with("data_batch_") && name.ends_with(".bin")) return CifarName{};
  return std::nullopt;
}

std::vector<std::string> read_cifar_names(std::span<const std::byte> bytes, const CifarName& name,
                                          const std::string& where) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (std::ranges::find(names, line) != names.end()) {
      fail(ErrorCode::kFormat, where, "the name '{}' is there twice", one_line(line));
    }
    names.emplace_back(line);
  }
  const int count = name.classes();
  if (names.size() != static_cast<std::size_t>(count)) {
    fail(ErrorCode::kFormat, where, "{} names, but CIFAR-{} has {} classes", names.size(), count, count);
  }
  return names;
}

CifarFile::CifarFile(FileBytes file, const CifarName& name, const std::string& where)
    : file_(std::move(file)), labels_(name.fine ? 2 : 1), record_(labels_ + 3 * kPlane) {
  const std::size_t size = file_.bytes.size();
  if (size == 0 || size % record_ != 0) {
    fail(ErrorCode::kFormat, where, "{} bytes, no whole number of records of {} bytes (CIFAR-{})", size, record_,
         name.classes());
  }
  for (std::size_t i = 0; i < count(); ++i) {
    if (label(i) < name.classes()) continue;
    fail(ErrorCode::kFormat, fmt::format("{}[{}]", where, i),
         "offset {}: the label {} is out of range, there are {} classes", i * record_ + labels_ - 1, label(i),
         name.classes());
  }
}

int CifarFile::label(std::size_t picture) const noexcept {
  return std::to_integer<int>(file_.bytes[picture * record_ + labels_ - 1]);
}

std::vector<std::byte> CifarFile::picture(std::size_t picture) const {
  std::vector<std::uint8_t> pixels(3 * kPlane);
  const std::byte* planes = file_.bytes.data() + picture * record_ + labels_;
  for (std::size_t i = 0; i < kPlane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) pixels[3 * i + c] = std::to_integer<std::uint8_t>(planes[c * kPlane + i]);
  }
  static constexpr std::array<std::int64_t, 3> kShape = {kSide, kSide, 3};
  return make_npy(kShape, pixels);
}

}  // namespace resnet
