#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "formats/memory_budget.h"
#include "tensor/place.h"

namespace resnet {
namespace {

using nlohmann::json;

constexpr std::size_t kPrefix = 8;  // bytes of the header's length
constexpr std::size_t kMaxRank = 64;
constexpr std::size_t kReleaseStep = std::size_t{1} << 20;
constexpr std::size_t kSmallestEntry = sizeof(R"("":{"dtype":"U8","shape":[],"data_offsets":[0,0]})") - 1;

// How far the JSON parser has come, shared by the characters it reads and the events it sends.
struct Progress {
  const CheckedFile* file;
  std::string_view unread;  // what of the header has not been loaded
  const char* position;
  const char* last_event;

  void load() {
    const std::string_view step = unread.substr(0, kReleaseStep);
    file->load(std::as_bytes(std::span(step)));
    unread.remove_prefix(step.size());
  }
};

// The characters of the header. Ends the parse where one token is longer than a header needs: the parser collects
// tokens in memory.
class HeaderIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  HeaderIterator(const char* position, Progress* progress) : position_(position), progress_(progress) {}

  reference operator*() const { return *position_; }
  HeaderIterator& operator++() {
    progress_->position = ++position_;
    if (position_ == progress_->unread.data() && !progress_->unread.empty()) progress_->load();
    if (static_cast<std::size_t>(position_ - progress_->last_event) > kMaxSafetensorsString) {
      throw std::length_error("token");
    }
    return *this;
  }
  bool operator==(const HeaderIterator& other) const { return position_ == other.position_; }
  bool operator!=(const HeaderIterator& other) const { return position_ != other.position_; }

 private:
  const char* position_;
  Progress* progress_;
};

// Receives the header's JSON event by event and collects tensors and metadata.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  HeaderReader(std::shared_ptr<const CheckedFile> file, const std::string& path, std::size_t header_size);

  TensorFile read();

 private:
  // What the next event should be.
  enum class Expect {
    kHeader,
    kTensorName,
    kTensor,
    kMetadata,
    kMetadataKey,
    kMetadataText,
    kField,
    kDType,
    kShape,
    kSize,
    kOffsets,
    kOffset,
    kEnd
  };
  struct Fields {
    std::optional<DType> dtype;
    std::optional<Shape> shape;
    std::optional<std::vector<std::uint64_t>> offsets;
  };

  bool null() override { return unexpected("null"); }
  bool boolean(bool /*value*/) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t /*value*/) override { return unexpected("a negative number"); }
  bool number_unsigned(number_unsigned_t value) override;
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    return unexpected("a fraction or a number beyond 64 bits");
  }
  bool string(string_t& value) override;
  bool binary(binary_t& /*value*/) override { return unexpected("binary"); }
  bool start_object(std::size_t /*size*/) override;
  bool key(string_t& value) override;
  bool end_object() override;
  bool start_array(std::size_t /*size*/) override;
  bool end_array() override;
  bool parse_error(std::size_t position, const std::string& last_token,
                   const nlohmann::detail::exception& error) override;

  std::size_t check_utf8();
  void advance();
  void start_field(const string_t& name);
  void set_dtype(const string_t& name);
  void finish_tensor();
  void check_layout() const;
  std::string place() const;
  bool unexpected(const char* what) const;
  std::string describe(const Tensor& tensor) const;
  std::size_t offset_of(const Tensor& tensor) const;

  std::shared_ptr<const CheckedFile> file_;
  std::string path_;
  std::string_view header_;
  std::span<const std::byte> data_;
  MemoryBudget budget_;
  Progress progress_;
  const char* released_;

  Expect expect_ = Expect::kHeader;
  std::string name_;  // of the tensor or metadata key at hand; what is kept is copied, without the room to grow
  Fields fields_;
  bool metadata_seen_ = false;
  TensorFile result_;
};

HeaderReader::HeaderReader(std::shared_ptr<const CheckedFile> file, const std::string& path, std::size_t header_size)
    : file_(std::move(file)),
      path_(path),
      header_(reinterpret_cast<const char*>(file_->range().data()) + kPrefix, header_size),
      data_(file_->range().subspan(kPrefix + header_size)),
      budget_(file_->range().size(), path),
      progress_{file_.get(), header_, header_.data(), header_.data()},
      released_(header_.data()) {
  result_.format = "safetensors";
}

TensorFile HeaderReader::read() {
  const std::size_t braces = check_utf8();
  progress_.load();
  if (!header_.starts_with('{')) fail(ErrorCode::kFormat, path_, "offset {}: the header is not a JSON object", kPrefix);
  result_.tensors.reserve(
      std::min({braces, header_.size() / kSmallestEntry, budget_.left() / sizeof(StateDict::Entry)}));
  try {
    const HeaderIterator begin(header_.data(), &progress_);
    const HeaderIterator end(header_.data() + header_.size(), &progress_);
    json::sax_parse(begin, end, static_cast<nlohmann::json_sax<json>*>(this));
  } catch (const std::length_error&) {
    fail(ErrorCode::kLimit, place(), "a string or a run of blanks is longer than {} bytes", kMaxSafetensorsString);
  }
  check_layout();
  return std::move(result_);
}

// Returns the number of opening braces, at least that of the tensors. In steps, so that a large header is never
// resident as a whole.
std::size_t HeaderReader::check_utf8() {
  std::ptrdiff_t braces = 0;
  std::string_view rest = header_;
  while (!rest.empty()) {
    const std::string_view step = rest.substr(0, kReleaseStep);
    file_->load(std::as_bytes(std::span(step)));
    const std::size_t valid = valid_utf8_prefix(step);
    const std::size_t zero = step.find('\0');  // which would end the JSON for its reader
    if (zero < valid) {
      fail(ErrorCode::kFormat, path_, "offset {}: a zero byte in the header",
           static_cast<std::size_t>(rest.data() - header_.data()) + zero + kPrefix);
    }
    const bool cut = step.size() < rest.size() && step.size() - valid < 4;  // a sequence may straddle the step's end
    if (valid < step.size() && !cut) {
      fail(ErrorCode::kFormat, path_, "offset {}: the header is not UTF-8",
           static_cast<std::size_t>(rest.data() - header_.data()) + valid + kPrefix);
    }
    braces += std::count(step.begin(), step.begin() + static_cast<std::ptrdiff_t>(valid), '{');
    file_->release(std::as_bytes(std::span(rest.data(), valid)));
    rest.remove_prefix(valid);
  }
  return static_cast<std::size_t>(braces);
}

// After each event: the parser has dropped what it collected, and the text behind it is not needed any more.
void HeaderReader::advance() {
  progress_.last_event = progress_.position;
  if (static_cast<std::size_t>(progress_.position - released_) < kReleaseStep) return;
  file_->release(std::as_bytes(std::span(released_, progress_.position)));
  released_ = progress_.position;
}

// "m.safetensors: tensor 'fc.weight': shape", or the offset where no tensor is being read.
std::string HeaderReader::place() const {
  std::string tensor = fmt::format("{}: tensor '{}'", path_, one_line(name_));
  switch (expect_) {
    case Expect::kMetadata: return path_ + ": __metadata__";
    case Expect::kMetadataText: return fmt::format("{}: __metadata__ '{}'", path_, one_line(name_));
    case Expect::kTensor:
    case Expect::kField: return tensor;
    case Expect::kDType: return tensor + ": dtype";
    case Expect::kShape:
    case Expect::kSize: return tensor + ": shape";
    case Expect::kOffsets:
    case Expect::kOffset: return tensor + ": data_offsets";
    default: return fmt::format("{}: offset {}", path_, progress_.position - header_.data() + kPrefix);
  }
}

bool HeaderReader::unexpected(const char* what) const {
  const auto wanted = [this] {
    switch (expect_) {
      case Expect::kTensor:
      case Expect::kMetadata: return "an object";
      case Expect::kMetadataText:
      case Expect::kDType: return "a string";
      case Expect::kShape:
      case Expect::kOffsets: return "an array";
      case Expect::kSize:
      case Expect::kOffset: return "a number that is not negative";
      default: return "an object of tensors";
    }
  };
  fail(ErrorCode::kFormat, place(), "{} where {} should stand", what, wanted());
}

bool HeaderReader::number_unsigned(number_unsigned_t value) {
  if (expect_ == Expect::kSize) {
    if (value > INT64_MAX) fail(ErrorCode::kLimit, place(), "{} is too large a size", value);
    if (fields_.shape->size() == kMaxRank) fail(ErrorCode::kLimit, place(), "more than {} dimensions", kMaxRank);
    fields_.shape->push_back(static_cast<std::int64_t>(value));
  } else if (expect_ == Expect::kOffset) {
    if (fields_.offsets->size() == 2) fail(ErrorCode::kFormat, place(), "more than two numbers");
    fields_.offsets->push_back(value);
  } else {
    unexpected("a number");
  }
  advance();
  return true;
}

bool HeaderReader::string(string_t& value) {
  if (expect_ == Expect::kDType) {
    set_dtype(value);
  } else if (expect_ == Expect::kMetadataText) {
    budget_.charge(128 + name_.size() + value.size(), "metadata");
    if (!result_.metadata.emplace(name_, value).second) {
      fail(ErrorCode::kFormat, place(), "is there twice");
    }
    expect_ = Expect::kMetadataKey;
  } else {
    unexpected("a string");
  }
  advance();
  return true;
}

void HeaderReader::set_dtype(const string_t& text) {
  for (auto type = DType::kF32; type <= DType::kBool; type = static_cast<DType>(static_cast<int>(type) + 1)) {
    if (name(type) == text) fields_.dtype = type;
  }
  if (!fields_.dtype) fail(ErrorCode::kUnsupported, place(), "unknown type '{}'", one_line(text));
  expect_ = Expect::kField;
}

bool HeaderReader::start_object(std::size_t /*size*/) {
  switch (expect_) {
    case Expect::kHeader: expect_ = Expect::kTensorName; break;
    case Expect::kMetadata: expect_ = Expect::kMetadataKey; break;
    case Expect::kTensor:
      fields_ = {};
      expect_ = Expect::kField;
      break;
    default: unexpected("an object");
  }
  advance();
  return true;
}

bool HeaderReader::key(string_t& value) {
  if (expect_ == Expect::kField) {
    start_field(value);
  } else if (expect_ == Expect::kMetadataKey) {
    name_ = std::move(value);
    expect_ = Expect::kMetadataText;
  } else if (value == "__metadata__") {
    expect_ = Expect::kMetadata;
    if (std::exchange(metadata_seen_, true)) fail(ErrorCode::kFormat, place(), "is there twice");
  } else {
    name_ = std::move(value);
    expect_ = Expect::kTensor;
    if (result_.tensors.contains(name_)) fail(ErrorCode::kFormat, place(), "is there twice");
  }
  advance();
  return true;
}

void HeaderReader::start_field(const string_t& name) {
  bool twice = false;
  if (name == "dtype") {
    expect_ = Expect::kDType;
    twice = fields_.dtype.has_value();
  } else if (name == "shape") {
    expect_ = Expect::kShape;
    twice = fields_.shape.has_value();
  } else if (name == "data_offsets") {
    expect_ = Expect::kOffsets;
    twice = fields_.offsets.has_value();
  } else {
    fail(ErrorCode::kFormat, place(), "unknown field '{}'", one_line(name));
  }
  if (twice) fail(ErrorCode::kFormat, place(), "is there twice");
}

bool HeaderReader::start_array(std::size_t /*size*/) {
  if (expect_ == Expect::kShape) {
    fields_.shape.emplace();
    expect_ = Expect::kSize;
  } else if (expect_ == Expect::kOffsets) {
    fields_.offsets.emplace();
    expect_ = Expect::kOffset;
  } else {
    unexpected("an array");
  }
  advance();
  return true;
}

bool HeaderReader::end_array() {
  if (expect_ == Expect::kOffset && fields_.offsets->size() != 2) {
    fail(ErrorCode::kFormat, place(), "{} numbers instead of two", fields_.offsets->size());
  }
  expect_ = Expect::kField;
  advance();
  return true;
}

bool HeaderReader::end_object() {
  switch (expect_) {
    case Expect::kField: finish_tensor(); [[fallthrough]];
    case Expect::kMetadataKey: expect_ = Expect::kTensorName; break;
    default: expect_ = Expect::kEnd;
  }
  advance();
  return true;
}

bool HeaderReader::parse_error(std::size_t position, const std::string& /*last_token*/,
                               const nlohmann::detail::exception& /*error*/) {
  fail(ErrorCode::kFormat, path_, "offset {}: the header is not well-formed JSON", position - 1 + kPrefix);
}

void HeaderReader::finish_tensor() {
  if (!fields_.dtype) fail(ErrorCode::kFormat, place(), "has no dtype");
  if (!fields_.shape) fail(ErrorCode::kFormat, place(), "has no shape");
  if (!fields_.offsets) fail(ErrorCode::kFormat, place(), "has no data_offsets");
  Shape& shape = *fields_.shape;
  const std::uint64_t begin = fields_.offsets->at(0);
  const std::uint64_t end = fields_.offsets->at(1);
  if (begin > end) fail(ErrorCode::kFormat, place(), "data_offsets [{}, {}] are reversed", begin, end);
  if (end > data_.size()) {
    fail(ErrorCode::kFormat, place(),
         "data_offsets [{}, {}] reach beyond the {} bytes of data: was the download cut short?", begin, end,
         data_.size());
  }
  std::size_t bytes = size_in_bytes(*fields_.dtype);
  bool overflow = false;
  for (const std::int64_t size : shape)
    overflow |= __builtin_mul_overflow(bytes, static_cast<std::size_t>(size), &bytes);
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  if (empty) bytes = 0;
  if (overflow && !empty) fail(ErrorCode::kLimit, place(), "shape {} is too large", to_string(shape));
  if (bytes != end - begin) {
    fail(ErrorCode::kFormat, place(), "data_offsets [{}, {}] hold {} bytes, shape {} of {} needs {}", begin, end,
         end - begin, to_string(shape), name(*fields_.dtype), bytes);
  }
  budget_.charge(sizeof(StateDict::Entry) + 56 + name_.size() + 8 * shape.size(), "tensors");
  result_.tensors.add(std::string(name_),
                      Tensor::view(*fields_.dtype, std::move(shape), data_.subspan(begin, bytes), file_));
}

std::size_t HeaderReader::offset_of(const Tensor& tensor) const {
  return static_cast<std::size_t>(TensorPlace::of(tensor).data() - data_.data());
}

// The tensors must cover the data without overlaps, holes or a rest.
void HeaderReader::check_layout() const {
  const auto entry = [this](std::uint32_t i) -> const StateDict::Entry& { return result_.tensors.begin()[i]; };
  std::vector<std::uint32_t> order(result_.tensors.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto range = [&](std::uint32_t i) {
    const std::size_t begin = offset_of(entry(i).second);
    return std::pair(begin, begin + entry(i).second.nbytes());
  };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return range(a) < range(b); });
  std::size_t covered = 0;
  for (const std::uint32_t i : order) {
    const auto [begin, end] = range(i);
    const std::string_view problem = begin < covered ? "overlap another tensor" : "leave a hole before them";
    if (begin != covered) {
      fail(ErrorCode::kFormat, fmt::format("{}: tensor '{}'", path_, one_line(entry(i).first)),
           "data_offsets [{}, {}] {}: {} bytes are taken so far", begin, end, problem, covered);
    }
    covered = end;
  }
  if (covered != data_.size()) {
    fail(ErrorCode::kFormat, path_, "offset {}: {} bytes after the last tensor", kPrefix + header_.size() + covered,
         data_.size() - covered);
  }
}

}  // namespace

bool looks_like_safetensors(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() <= kPrefix || bytes[kPrefix] != std::byte{'{'}) return false;
  return std::all_of(bytes.begin() + 4, bytes.begin() + kPrefix, [](std::byte b) { return b == std::byte{0}; });
}

TensorFile read_safetensors(std::shared_ptr<const CheckedFile> file, const std::string& path) {
  const std::span<const std::byte> bytes = file->range();
  if (bytes.size() < kPrefix) {
    fail(ErrorCode::kFormat, path, "{} bytes, too short for a safetensors file", bytes.size());
  }
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, file->load(bytes.first(kPrefix)).data(), kPrefix);
  if (header_size > kMaxSafetensorsHeader) {
    fail(ErrorCode::kLimit, path, "offset 0: a header of {} bytes, more than {}", header_size, kMaxSafetensorsHeader);
  }
  if (header_size > bytes.size() - kPrefix) {
    fail(ErrorCode::kFormat, path, "offset 0: a header of {} bytes in a file of {}: was the download cut short?",
         header_size, bytes.size());
  }
  return HeaderReader(std::move(file), path, header_size).read();
}

}  // namespace resnet
