#include "formats/npy.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace resnet {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are written as they lie in memory");

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kMaxDimensions = 32;  // NumPy's own limit

// The header: a Python dictionary with the keys descr, fortran_order and shape.
class HeaderParser {
 public:
  // `begin` is the text's offset in the file.
  HeaderParser(std::string_view text, std::size_t begin, std::string_view where)
      : text_(text), begin_(begin), where_(where) {}

  void parse(NpyHeader& header) {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !std::exchange(has_type_, true)) {
        header.type = type();
      } else if (key == "fortran_order" && !std::exchange(has_order_, true)) {
        header.fortran = truth();
      } else if (key == "shape" && !std::exchange(has_shape_, true)) {
        header.shape = shape();
      } else {
        wrong();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (position_ != text_.size() || !has_type_ || !has_order_ || !has_shape_) wrong();
  }

 private:
  [[noreturn]] void wrong() const {
    fail(ErrorCode::kFormat, std::string(where_), "offset {}: not a .npy header", begin_ + position_);
  }

  void skip_space() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }

  bool accept(char symbol) {
    skip_space();
    if (position_ == text_.size() || text_[position_] != symbol) return false;
    ++position_;
    return true;
  }

  void expect(char symbol) {
    if (!accept(symbol)) wrong();
  }

  std::string_view quoted() {
    expect('\'');
    const std::size_t end = text_.find('\'', position_);
    if (end == std::string_view::npos) wrong();
    const std::string_view result = text_.substr(position_, end - position_);
    position_ = end + 1;
    return result;
  }

  std::string_view word() {
    skip_space();
    const std::size_t begin = position_;
    while (position_ < text_.size() && text_[position_] >= 'A' && text_[position_] <= 'z') ++position_;
    return text_.substr(begin, position_ - begin);
  }

  bool truth() {
    const std::string_view text = word();
    if (text != "True" && text != "False") wrong();
    return text == "True";
  }

  std::string type() {
    skip_space();
    if (position_ < text_.size() && text_[position_] == '\'') return std::string(quoted());
    fail(ErrorCode::kUnsupported, std::string(where_),
         "an array of records, which is not read: save its fields one by one");
  }

  std::vector<std::int64_t> shape() {
    std::vector<std::int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data() + position_, text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0 || sizes.size() == kMaxDimensions) wrong();
      position_ = static_cast<std::size_t>(end - text_.data());
      sizes.push_back(size);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  std::string_view text_;
  std::size_t begin_;
  std::string_view where_;
  std::size_t position_ = 0;
  bool has_type_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

// Bytes of an array; nothing where the product does not fit in 63 bits.
std::optional<std::int64_t> byte_count(std::span<const std::int64_t> shape, std::int64_t item) {
  std::int64_t count = item;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) return std::nullopt;
  }
  return count;
}

// All that stands before the data, a multiple of `unit` bytes. Throws kInvalidArgument where `bytes` do not fill the
// shape.
std::string make_header(std::string_view where, std::span<const std::int64_t> shape, std::string_view type,
                        std::int64_t item, std::size_t bytes, std::size_t unit = 64) {
  if (byte_count(shape, item) != static_cast<std::int64_t>(bytes)) {
    fail(ErrorCode::kInvalidArgument, std::string(where), "{} bytes do not fill the array's shape", bytes);
  }
  std::string sizes;
  for (const std::int64_t size : shape) sizes += fmt::format("{}, ", size);
  if (shape.size() > 1) sizes.resize(sizes.size() - 2);
  if (shape.size() == 1) sizes.pop_back();
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type, sizes);
  constexpr std::size_t kPrefix = 10;  // magic, version, length
  header.append(unit - 1 - (kPrefix + header.size()) % unit, ' ');
  header += '\n';
  std::string prefix(kMagic);
  prefix += {'\1', '\0', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  return prefix + header;
}

void write(const std::string& path, std::span<const std::int64_t> shape, std::string_view type, std::int64_t item,
           std::span<const std::byte> bytes) {
  const std::string header = make_header(path, shape, type, item, bytes.size());
  AtomicFile file(path);
  file.write(header);
  file.write(bytes);
  file.commit();
}

}  // namespace

bool looks_like_npy(std::span<const std::byte> bytes) noexcept {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).starts_with(kMagic);
}

std::size_t npy_header_size(std::span<const std::byte> bytes) noexcept {
  if (!looks_like_npy(bytes) || bytes.size() < 12) return 0;
  const auto byte = [&](std::size_t i) { return std::to_integer<std::size_t>(bytes[i]); };
  const bool wide = byte(6) > 1;  // a length of four bytes instead of two
  return (wide ? 12 : 10) + (byte(8) | byte(9) << 8 | (wide ? byte(10) << 16 | byte(11) << 24 : 0));
}

NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view where) {
  NpyArray array = take_npy(bytes, where);
  if (!bytes.empty()) fail(ErrorCode::kFormat, std::string(where), "{} bytes behind the array", bytes.size());
  return array;
}

NpyHeader parse_npy_header(std::span<const std::byte> bytes, std::string_view where) {
  const auto wrong = [&](std::string_view what) { fail(ErrorCode::kFormat, std::string(where), "{}", what); };
  if (!looks_like_npy(bytes)) wrong("not a .npy file");
  if (bytes.size() < 12) wrong("the .npy header is cut short");
  const int version = std::to_integer<int>(bytes[6]);
  if (version < 1 || version > 3) {
    fail(ErrorCode::kUnsupported, std::string(where), "version {} of the .npy format", version);
  }
  const std::size_t begin = version > 1 ? 12 : 10;
  NpyHeader header;
  header.size = npy_header_size(bytes);
  if (header.size > bytes.size()) wrong("the .npy header is longer than the file");
  HeaderParser({reinterpret_cast<const char*>(bytes.data()) + begin, header.size - begin}, begin, where).parse(header);
  return header;
}

NpyArray take_npy(std::span<const std::byte>& bytes, std::string_view where) {
  NpyHeader header = parse_npy_header(bytes, where);
  NpyArray array;
  if (header.type == "|u1") {
    array.type = NpyType::kU8;
  } else if (header.type != "<f4") {
    fail(ErrorCode::kUnsupported, std::string(where), "the array's type is neither float32 nor uint8");
  }
  if (header.fortran) fail(ErrorCode::kUnsupported, std::string(where), "arrays in Fortran order");
  array.shape = std::move(header.shape);
  bytes = bytes.subspan(header.size);
  const auto expected = byte_count(array.shape, array.type == NpyType::kF32 ? 4 : 1);
  if (!expected || *expected > static_cast<std::int64_t>(bytes.size())) {
    fail(ErrorCode::kFormat, std::string(where), "{} bytes of data, not what the array's shape says", bytes.size());
  }
  array.bytes = bytes.first(static_cast<std::size_t>(*expected));
  bytes = bytes.subspan(array.bytes.size());
  return array;
}

std::vector<std::byte> make_npy(std::span<const std::int64_t> shape, std::span<const std::uint8_t> values) {
  const std::string header = make_header("array", shape, "|u1", 1, values.size());
  std::vector<std::byte> file(header.size() + values.size());
  std::memcpy(file.data(), header.data(), header.size());
  std::memcpy(file.data() + header.size(), values.data(), values.size());
  return file;
}

namespace {

constexpr std::size_t kRowsHeader = 128;  // room for any number of rows

std::string rows_header(const std::string& path, std::int64_t rows, std::int64_t columns) {
  const std::int64_t shape[] = {rows, columns};
  return make_header(path, shape, "<f4", sizeof(float), static_cast<std::size_t>(rows * columns) * sizeof(float),
                     kRowsHeader);
}

}  // namespace

NpyRowWriter::NpyRowWriter(const std::string& path, std::int64_t columns)
    : path_(path), file_(path), columns_(columns) {
  if (!file_.replaces()) {
    fail(ErrorCode::kUnsupported, path, "is no file: how many rows a .npy file has is written at its beginning");
  }
  file_.write(rows_header(path, 0, columns));
}

void NpyRowWriter::add(std::span<const float> rows) {
  RESNET_ASSERT(rows.size() % static_cast<std::size_t>(columns_) == 0);
  file_.write(std::as_bytes(rows));
  rows_ += static_cast<std::int64_t>(rows.size()) / columns_;
}

void NpyRowWriter::commit(std::span<const std::uint8_t> second) {
  const std::int64_t size[] = {static_cast<std::int64_t>(second.size())};
  file_.write(make_header(path_, size, "|u1", 1, second.size()));
  file_.write(std::as_bytes(second));
  file_.write_at(0, rows_header(path_, rows_, columns_));
  file_.commit();
}

void write_npy(const std::string& path, std::span<const std::int64_t> shape, std::span<const float> values) {
  write(path, shape, "<f4", sizeof(float), std::as_bytes(values));
}

void write_npy(const std::string& path, std::span<const std::int64_t> shape, std::span<const std::uint8_t> values) {
  write(path, shape, "|u1", 1, std::as_bytes(values));
}

}  // namespace resnet
