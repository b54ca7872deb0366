// The formats: POSIX.1-2008 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar
// Format".
#include "formats/tar.h"

#include <algorithm>

#include "base/error.h"

namespace resnet {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kMaxText = 64 * 1024;
constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 62;

// Where the fields of a header lie.
struct Field {
  std::size_t offset, length;
};
constexpr Field kNameField{0, 100}, kSizeField{124, 12}, kChecksumField{148, 8}, kTargetField{157, 100},
    kMagicField{257, 6}, kPrefixField{345, 155};
constexpr std::size_t kTypeOffset = 156;

using Bytes = std::span<const std::byte>;

Bytes field_of(Bytes block, Field field) { return block.subspan(field.offset, field.length); }

// Up to the first NUL.
std::string_view text_of(Bytes field) {
  const std::string_view text(reinterpret_cast<const char*>(field.data()), field.size());
  return text.substr(0, text.find('\0'));
}

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte value) { return value == std::byte{0}; });
}

std::uint64_t padding_of(std::uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

}  // namespace

void TarReader::fail_here(ErrorCode code, const std::string& message) const {
  fail(code, stream_.where(), "offset {}: {}", header_, message);
}

bool TarReader::read_block(Block& block) {
  const std::size_t got = stream_.read(block);
  offset_ += got;
  if (got == 0) return false;
  if (got < kBlock) fail_here(ErrorCode::kFormat, "the tar archive is cut short");
  return true;
}

void TarReader::skip(std::uint64_t bytes) {
  const std::uint64_t got = stream_.skip(bytes);
  offset_ += got;
  if (got < bytes) fail_here(ErrorCode::kFormat, "the tar archive is cut short within this entry");
}

// After the first zero block there is a second one, and then nothing but padding.
void TarReader::read_end() {
  Block block;
  while (read_block(block)) {
    header_ = offset_ - kBlock;
    if (!all_zero(block)) fail_here(ErrorCode::kFormat, "data after the end of the tar archive");
  }
  ended_ = true;
}

// Octal digits, or 0x80 and a big-endian number (GNU).
std::uint64_t TarReader::number(Bytes field, const char* name) const {
  std::uint64_t value = 0;
  if (field[0] == std::byte{0x80}) {
    for (const std::byte byte : field.subspan(1)) {
      if (value >= kMaxSize >> 8) fail_here(ErrorCode::kFormat, fmt::format("{} is out of range", name));
      value = value << 8 | std::to_integer<std::uint64_t>(byte);
    }
    return value;
  }
  std::string_view text = text_of(field);
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.empty() || text.find_first_not_of("01234567") != std::string_view::npos) {
    fail_here(ErrorCode::kFormat, fmt::format("{} is no octal number", name));
  }
  for (const char digit : text) value = value << 3 | static_cast<std::uint64_t>(digit - '0');  // at most 36 bits
  return value;
}

// The sum of the header's bytes with the checksum itself taken as spaces; old programs summed signed bytes.
void TarReader::check_sum(const Block& block) const {
  std::int64_t plain = 0;
  std::int64_t as_signed = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool inside = i >= kChecksumField.offset && i < kChecksumField.offset + kChecksumField.length;
    const auto value = inside ? static_cast<std::uint8_t>(' ') : std::to_integer<std::uint8_t>(block[i]);
    plain += value;
    as_signed += static_cast<std::int8_t>(value);
  }
  const std::string_view sum = text_of(field_of(block, kChecksumField));
  if (header_ == 0 && (sum.empty() || sum.find_first_not_of(" 01234567") != sum.npos)) {
    fail_here(ErrorCode::kFormat,
              "no tar header: the checksum is no octal number; archives that are read are .zip and .tar, plain or "
              "packed by gzip, bzip2, xz or Zstandard");
  }
  const auto stored = static_cast<std::int64_t>(number(field_of(block, kChecksumField), "no tar header: the checksum"));
  if (stored != plain && stored != as_signed) {
    fail_here(ErrorCode::kFormat, fmt::format("no tar header: its checksum is {}, but says {}", plain, stored));
  }
}

std::string TarReader::checked_path(std::string_view path) const {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::any_of(path.begin(), path.end(), control)) {
    fail_here(ErrorCode::kFormat, "a path with control characters");
  }
  if (path.starts_with('/')) fail_here(ErrorCode::kFormat, fmt::format("the path '{}' is not relative", path));
  std::string result;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part == "..") fail_here(ErrorCode::kFormat, fmt::format("the path '{}' holds '..'", path));
    if (!part.empty() && part != ".") {
      if (!result.empty()) result += '/';
      result += part;
    }
    begin = end + 1;
  }
  return result;
}

// The data of an extended header.
std::string TarReader::read_text(std::uint64_t size) {
  if (size > kMaxText) {
    fail_here(ErrorCode::kLimit, fmt::format("an extended header of {} bytes, more than {}", size, kMaxText));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  const std::size_t got = stream_.read(std::as_writable_bytes(std::span(text)));
  offset_ += got;
  if (got < text.size()) fail_here(ErrorCode::kFormat, "the tar archive is cut short within an extended header");
  skip(padding_of(size));
  return text;
}

// Records "LENGTH KEY=VALUE\n", the length that of the whole record.
void TarReader::parse_pax(std::string_view text, Pending& pending) const {
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view digits = text.substr(0, space);
    std::size_t length = 0;
    const bool numeric = space != std::string_view::npos && !digits.empty() && digits.size() <= 6 &&
                         digits.find_first_not_of("0123456789") == std::string_view::npos;
    if (numeric) {
      for (const char digit : digits) length = length * 10 + static_cast<std::size_t>(digit - '0');
    }
    if (!numeric || length < space + 3 || length > text.size() || text[length - 1] != '\n') {
      fail_here(ErrorCode::kFormat, "a pax record with a wrong length");
    }
    const std::string_view record = text.substr(space + 1, length - space - 2);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) fail_here(ErrorCode::kFormat, "a pax record without '='");
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1);
    if (key == "path") pending.path = value;
    if (key == "linkpath") pending.target = value;
    if (key == "size") {
      if (value.empty() || value.size() > 18 || value.find_first_not_of("0123456789") != std::string_view::npos) {
        fail_here(ErrorCode::kFormat, "a pax size that is no number below 10^18");
      }
      std::uint64_t size = 0;
      for (const char digit : value) size = size * 10 + static_cast<std::uint64_t>(digit - '0');
      pending.size = size;
    }
    if (key.starts_with("GNU.sparse.")) fail_here(ErrorCode::kUnsupported, "a sparse file");
    text.remove_prefix(length);
  }
}

TarEntry TarReader::entry(const Block& block, const Pending& pending) {
  TarEntry result;
  std::string path(text_of(field_of(block, kNameField)));
  if (text_of(field_of(block, kMagicField)) == "ustar") {  // GNU's own magic is "ustar  "; it has no prefix
    const std::string prefix(text_of(field_of(block, kPrefixField)));
    if (!prefix.empty()) path = prefix + "/" + path;
  }
  if (pending.path) path = *pending.path;
  const char type = static_cast<char>(block[kTypeOffset]);
  switch (type) {
    case '\0':
    case '0':
    case '7': result.kind = path.ends_with('/') ? TarEntry::Kind::kDirectory : TarEntry::Kind::kFile; break;
    case '5': result.kind = TarEntry::Kind::kDirectory; break;
    case '1':
    case '2': result.kind = TarEntry::Kind::kLink; break;
    case '3':
    case '4':
    case '6':
    case 'V': result.kind = TarEntry::Kind::kOther; break;
    case 'S': fail_here(ErrorCode::kUnsupported, "a sparse file");
    default: fail_here(ErrorCode::kUnsupported, fmt::format("an entry of type {}", static_cast<int>(type)));
  }
  result.path = checked_path(path);
  if (result.kind == TarEntry::Kind::kLink) {
    result.target = pending.target ? *pending.target : std::string(text_of(field_of(block, kTargetField)));
  }
  if (result.kind == TarEntry::Kind::kFile) {
    if (result.path.empty()) fail_here(ErrorCode::kFormat, "a file without a name");
    result.size = pending.size ? *pending.size : number(field_of(block, kSizeField), "the size");
  }
  data_ = result.size;
  padding_ = padding_of(result.size);
  return result;
}

std::optional<TarEntry> TarReader::next() {
  if (ended_) return std::nullopt;
  skip(data_);
  skip(padding_);
  data_ = padding_ = 0;
  Pending pending;
  for (Block block;;) {
    header_ = offset_;
    if (!read_block(block)) {
      fail_here(ErrorCode::kFormat, offset_ == 0 ? "empty, no tar archive" : "the tar archive has no end: cut short");
    }
    const bool extended = pending.path || pending.size;
    if (all_zero(block)) {
      if (extended) fail_here(ErrorCode::kFormat, "an extended header without an entry");
      read_end();
      return std::nullopt;
    }
    check_sum(block);
    const char type = static_cast<char>(block[kTypeOffset]);
    if (type != 'x' && type != 'g' && type != 'L' && type != 'K') return entry(block, pending);
    const std::string text = read_text(number(field_of(block, kSizeField), "the size"));
    if (type == 'L') pending.path = text.substr(0, text.find('\0'));
    if (type == 'K') pending.target = text.substr(0, text.find('\0'));
    if (type == 'x') parse_pax(text, pending);
    if (type == 'g') {
      Pending global;
      parse_pax(text, global);
      if (global.path || global.size) fail_here(ErrorCode::kUnsupported, "a path or a size for all entries");
    }
  }
}

std::vector<std::byte> TarReader::read(std::size_t max_bytes) {
  if (data_ > max_bytes) fail_here(ErrorCode::kLimit, fmt::format("{} bytes, more than {}", data_, max_bytes));
  constexpr std::size_t kStep = 1 << 20;  // the size may be a lie: memory grows with what is really there
  const auto size = static_cast<std::size_t>(data_);
  std::vector<std::byte> bytes;
  while (bytes.size() < size) {
    const std::size_t used = bytes.size();
    bytes.resize(std::min(size, std::max(kStep, 2 * used)));
    const std::size_t got = stream_.read(std::span(bytes).subspan(used));
    offset_ += got;
    if (used + got < bytes.size()) fail_here(ErrorCode::kFormat, "the tar archive is cut short within this entry");
  }
  data_ = 0;
  return bytes;
}

}  // namespace resnet
