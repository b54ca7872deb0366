#include "dataset/cifar.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/list_file.h"
#include "dataset/archive_source.h"
#include "formats/byte_stream.h"
#include "formats/npy.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSide = 32;
constexpr std::size_t kPlane = kSide * kSide;

std::size_t label_bytes(bool fine) { return fine ? 2 : 1; }
std::size_t record_bytes(bool fine) { return label_bytes(fine) + 3 * kPlane; }

bool is_fine(const std::string& name) { return name == "train.bin" || name == "test.bin"; }
bool is_test(const std::string& name) { return name == "test.bin" || name == "test_batch.bin"; }
bool is_known(const std::string& name) {
  return is_fine(name) || is_test(name) || (name.starts_with("data_batch_") && name.ends_with(".bin"));
}

std::vector<std::string> known_files(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    if (fs::is_regular_file(path, error) && is_known(file_name(path))) files.push_back(path);
    return files;
  }
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (is_known(entry.path().filename().string())) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// One a line; none where there is no such file.
std::vector<std::string> read_names(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  if (!fs::exists(path, error)) return names;
  constexpr std::size_t kMaxBytes = 1 << 20;
  const TextFile file = TextFile::open(path.string(), kMaxBytes);
  std::string_view text = file.text();
  for (std::string_view line; take_line(text, line);) {
    if (!trimmed(line).empty()) names.emplace_back(trimmed(line));
  }
  return names;
}

class CifarSource : public Source {
 public:
  CifarSource(std::vector<std::string> files, std::vector<std::string> classes, bool fine, bool named)
      : files_(std::move(files)), classes_(std::move(classes)), fine_(fine), named_(named) {}

  std::optional<Item> next() override {
    std::vector<std::byte> record(record_bytes(fine_));
    for (; file_ < files_.size(); ++file_, stream_.reset(), number_ = 0) {
      if (!stream_) stream_.emplace(ByteStream::open(files_[file_]));
      const std::size_t got = stream_->read(record);
      if (got == record.size()) return item(record);
      if (got != 0) fail(ErrorCode::kFormat, files_[file_], "the last record is cut short");
    }
    return std::nullopt;
  }

 private:
  Item item(const std::vector<std::byte>& record) {
    Item result;
    result.path = fmt::format("{}[{}]", files_[file_], number_);
    const auto label = std::to_integer<std::size_t>(record[label_bytes(fine_) - 1]);
    if (label >= classes_.size()) {
      fail(ErrorCode::kFormat, result.path, "offset {}: the label {} is out of range, there are {} classes",
           number_ * record.size() + label_bytes(fine_) - 1, label, classes_.size());
    }
    result.label = classes_[label];
    result.label_is_index = !named_;
    std::vector<std::uint8_t> pixels(3 * kPlane);
    const std::byte* planes = record.data() + label_bytes(fine_);
    for (std::size_t i = 0; i < kPlane; ++i) {
      for (std::size_t c = 0; c < 3; ++c) pixels[3 * i + c] = std::to_integer<std::uint8_t>(planes[c * kPlane + i]);
    }
    static constexpr std::array<std::int64_t, 3> kShape = {kSide, kSide, 3};
    result.bytes = make_npy(kShape, pixels);
    ++number_;
    return result;
  }

  std::vector<std::string> files_;
  std::vector<std::string> classes_;
  bool fine_;
  bool named_;
  std::size_t file_ = 0;
  std::optional<ByteStream> stream_;
  std::size_t number_ = 0;  // of the next record in its file
};

}  // namespace

bool Cifar::is_at(const std::string& path) { return !known_files(path).empty(); }

Cifar::Cifar(const std::string& path, const std::string& only) {
  if (!only.empty() && only != "train" && only != "test") {
    fail(ErrorCode::kInvalidArgument, only, "CIFAR's binaries have the parts train and test");
  }
  for (std::string& file : known_files(path)) {
    if (only.empty() || is_test(file_name(file)) == (only == "test")) files_.push_back(std::move(file));
  }
  if (files_.empty()) fail(ErrorCode::kNotFound, path, "holds no file of CIFAR's part {}", only);
  fine_ = is_fine(file_name(files_.front()));
  for (const std::string& file : files_) {
    if (is_fine(file_name(file)) != fine_) fail(ErrorCode::kFormat, path, "holds files of CIFAR-10 and of CIFAR-100");
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file, error);
    if (error) fail(ErrorCode::kIo, file, "cannot be looked at: {}", error.message());
    const std::size_t record = record_bytes(fine_);
    if (size == 0 || size % record != 0) {
      fail(ErrorCode::kFormat, file, "{} bytes, no whole number of records of {} bytes (CIFAR-{})", size, record,
           fine_ ? 100 : 10);
    }
    count_ += size / record;
  }
  const std::size_t count = fine_ ? 100 : 10;
  const fs::path names = fs::path(files_.front()).parent_path() / (fine_ ? "fine_label_names.txt" : "batches.meta.txt");
  classes_ = read_names(names);
  named_ = !classes_.empty();
  if (named_ && classes_.size() != count) {
    fail(ErrorCode::kFormat, names.string(), "{} names, but CIFAR-{} has {} classes", classes_.size(), count, count);
  }
  if (!named_) {
    for (std::size_t i = 0; i < count; ++i) classes_.push_back(std::to_string(i));
  }
}

std::unique_ptr<Source> Cifar::items() const { return std::make_unique<CifarSource>(files_, classes_, fine_, named_); }

}  // namespace resnet
