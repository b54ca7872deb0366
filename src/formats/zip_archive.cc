#include "formats/zip_archive.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "formats/zip_format.h"

namespace resnet {
namespace {

constexpr std::size_t kEndSize = 22;
constexpr std::size_t kEnd64Size = 56;
constexpr std::size_t kLocatorSize = 20;
constexpr std::uint16_t kEncrypted = 1U << 0 | 1U << 6 | 1U << 13;  // also strong encryption and masked headers
constexpr std::uint16_t kPatch = 1U << 5;

std::uint32_t signature_at(std::span<const std::byte> bytes, std::size_t position) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + position, sizeof(value));
  return value;
}

// What is wrong with a name; null where nothing is.
const char* name_problem(std::string_view name, ZipNames names) {
  if (name.empty()) return "has no name";
  const auto is_ascii_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  const bool plain = names == ZipNames::kFiles ? std::none_of(name.begin(), name.end(), is_ascii_control)
                                               : printable(name) == name;  // nothing had to be escaped
  if (!plain) return "has a name that is not plain text";
  if (name.front() == '/') return "has a name that leaves the archive";
  if (names == ZipNames::kPlain && name.find('\\') != name.npos) return "has a name that leaves the archive";
  constexpr std::string_view kSeparators = "/\\";  // whichever a program takes for them
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find_first_of(kSeparators, begin), name.size());
    if (name.substr(begin, end - begin) == "..") return "has a name that leaves the archive";
    begin = end + 1;
  }
  return nullptr;
}

// Of the methods that programs offer beside "deflate" (APPNOTE 4.4.5); empty for others.
const char* method_name(std::uint16_t method) {
  switch (method) {
    case 9: return " (Deflate64)";
    case 12: return " (bzip2)";
    case 14: return " (LZMA)";
    case 93: return " (Zstandard)";
    case 95: return " (xz)";
    case 98: return " (PPMd)";
    default: return "";
  }
}

// The numbers of the zip64 extra field that the header left out, in their order.
void read_extra64(std::string_view extra, const std::string& where,
                  std::initializer_list<std::pair<std::uint64_t*, std::uint64_t>> numbers) {
  const bool wanted = std::any_of(numbers.begin(), numbers.end(), [](auto n) { return *n.first == n.second; });
  bool seen = false;
  ByteReader reader(std::as_bytes(std::span(extra)), where + ": extra field");
  while (reader.left() >= 4) {
    const auto id = reader.number<std::uint16_t>();
    const std::string_view body = reader.text(reader.number<std::uint16_t>());
    if (id != zip::kExtra64) continue;
    if (std::exchange(seen, true)) fail(ErrorCode::kFormat, where, "has two zip64 fields");
    ByteReader field(std::as_bytes(std::span(body)), where + ": zip64 field");
    for (const auto& [number, missing] : numbers) {
      if (*number == missing) *number = field.number<std::uint64_t>();
    }
  }
  if (wanted && !seen) fail(ErrorCode::kFormat, where, "lacks its zip64 field");
}

}  // namespace

ZipArchive::ZipArchive(std::shared_ptr<const CheckedFile> file, std::string path, MemoryBudget& budget, ZipNames names)
    : file_(std::move(file)), path_(std::move(path)), budget_(budget), names_(names) {
  constexpr std::size_t kReleaseEvery = 128;  // headers; each touches a few pages
  const Directory directory = find_directory();
  constexpr std::size_t kSmallestHeader = 46;
  if (directory.count > directory.size / kSmallestHeader) {
    fail(ErrorCode::kFormat, path_, "a directory of {} bytes for {} entries", directory.size, directory.count);
  }
  budget_.charge(directory.count * sizeof(ZipEntry), "zip entries");
  entries_.reserve(directory.count);
  ByteReader reader(*file_, file_->range().first(directory.offset + directory.size), path_, directory.offset);
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    ZipEntry entry = read_directory_header(reader);
    check_local_header(entry, directory.offset);
    entries_.push_back(entry);
    if (i % kReleaseEvery == 0) file_->release(file_->range().first(directory.offset));
  }
  if (reader.left() != 0) {
    fail(ErrorCode::kFormat, path_, "offset {}: {} bytes after the directory's last entry", reader.position(),
         reader.left());
  }
  check_overlaps();
  std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(entries_.begin(), entries_.end(),
                                        [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != entries_.end()) fail(ErrorCode::kFormat, place(*twice), "is there twice");
}

std::string ZipArchive::place(const ZipEntry& entry) const {
  return fmt::format("{}: entry '{}'", path_, one_line(entry.name));
}

// The directory's place from the end of the file, which must be the last thing in it.
ZipArchive::Directory ZipArchive::find_directory() const {
  constexpr std::size_t kEndRecords = kEnd64Size + kLocatorSize + kEndSize + 0xFFFF;
  const std::span<const std::byte> bytes = file_->range();
  file_->load(bytes.last(std::min(bytes.size(), kEndRecords)));
  const std::size_t last = bytes.size() < kEndSize ? 0 : bytes.size() - kEndSize;
  const std::size_t first = last - std::min<std::size_t>(last, 0xFFFF);
  std::optional<std::size_t> end;
  for (std::size_t at = last + 1; bytes.size() >= kEndSize && at-- > first && !end;) {
    if (signature_at(bytes, at) != zip::kEnd) continue;
    ByteReader comment(bytes, path_, at + kEndSize - 2);
    if (comment.number<std::uint16_t>() == last - at) end = at;
  }
  if (!end) fail(ErrorCode::kFormat, path_, "the zip directory is missing: was the download cut short?");

  ByteReader reader(bytes, path_, *end + 4);
  const auto disk = reader.number<std::uint16_t>();
  const auto directory_disk = reader.number<std::uint16_t>();
  const auto count_here = reader.number<std::uint16_t>();
  Directory directory;
  directory.count = reader.number<std::uint16_t>();
  directory.size = reader.number<std::uint32_t>();
  directory.offset = reader.number<std::uint32_t>();
  std::size_t directory_end = *end;
  if (*end >= kLocatorSize + kEnd64Size && signature_at(bytes, *end - kLocatorSize) == zip::kEnd64Locator) {
    directory = read_end64(*end, directory);
    directory_end = *end - kLocatorSize - kEnd64Size;
  } else if (disk != 0 || directory_disk != 0 || count_here != directory.count) {
    fail(ErrorCode::kUnsupported, path_, "offset {}: a zip archive of several parts", *end);
  }
  if (directory.offset > directory_end || directory.size != directory_end - directory.offset) {
    fail(ErrorCode::kFormat, path_, "offset {}: the zip directory should have {} bytes from {} and end at {}", *end,
         directory.size, directory.offset, directory_end);
  }
  return directory;
}

// The zip64 record before the end record, which must say the same where that says anything.
ZipArchive::Directory ZipArchive::read_end64(std::size_t end, const Directory& small) const {
  const std::size_t at = end - kLocatorSize - kEnd64Size;
  ByteReader locator(*file_, file_->range(), path_, end - kLocatorSize + 4);
  const auto record_disk = locator.number<std::uint32_t>();
  const auto record_offset = locator.number<std::uint64_t>();
  const auto disks = locator.number<std::uint32_t>();
  ByteReader reader(*file_, file_->range(), path_, at);
  const auto signature = reader.number<std::uint32_t>();
  const auto record_size = reader.number<std::uint64_t>();
  reader.take(4);  // versions
  const auto disk = reader.number<std::uint32_t>();
  const auto directory_disk = reader.number<std::uint32_t>();
  const auto count_here = reader.number<std::uint64_t>();
  Directory directory;
  directory.count = reader.number<std::uint64_t>();
  directory.size = reader.number<std::uint64_t>();
  directory.offset = reader.number<std::uint64_t>();
  if (record_offset != at || signature != zip::kEnd64 || record_size != kEnd64Size - 12) {
    fail(ErrorCode::kFormat, path_, "offset {}: the zip64 record is not where it should be", end - kLocatorSize);
  }
  if (record_disk != 0 || disks > 1 || disk != 0 || directory_disk != 0 || count_here != directory.count) {
    fail(ErrorCode::kUnsupported, path_, "offset {}: a zip archive of several parts", at);
  }
  if ((small.count != directory.count && small.count != zip::kIn64) ||
      (small.size != directory.size && small.size != zip::kInExtra64) ||
      (small.offset != directory.offset && small.offset != zip::kInExtra64)) {
    fail(ErrorCode::kFormat, path_, "offset {}: the zip64 record and the end record disagree", at);
  }
  return directory;
}

ZipEntry ZipArchive::read_directory_header(ByteReader& reader) const {
  const std::size_t at = reader.position();
  if (reader.number<std::uint32_t>() != zip::kDirectoryHeader) {
    fail(ErrorCode::kFormat, path_, "offset {}: no entry of the zip directory", at);
  }
  ZipEntry entry;
  const auto made_by = reader.number<std::uint16_t>();
  reader.take(2);  // the version that is needed
  entry.flags = reader.number<std::uint16_t>();
  entry.method = reader.number<std::uint16_t>();
  reader.take(4);  // time
  entry.crc = reader.number<std::uint32_t>();
  entry.packed_size = reader.number<std::uint32_t>();
  entry.size = reader.number<std::uint32_t>();
  const auto name_size = reader.number<std::uint16_t>();
  const auto extra_size = reader.number<std::uint16_t>();
  const auto comment_size = reader.number<std::uint16_t>();
  std::uint64_t disk = reader.number<std::uint16_t>();
  reader.take(2);  // internal attributes
  const auto attributes = reader.number<std::uint32_t>();
  constexpr unsigned kUnix = 3, kFormatBits = 0170000, kLink = 0120000;
  entry.is_link = made_by >> 8 == kUnix && (attributes >> 16 & kFormatBits) == kLink;
  entry.header_offset = reader.number<std::uint32_t>();
  entry.name = reader.text(name_size);
  const std::string_view extra = reader.text(extra_size);
  reader.take(comment_size);

  if (const char* problem = name_problem(entry.name, names_)) fail(ErrorCode::kFormat, place(entry), "{}", problem);
  read_extra64(
      extra, place(entry),
      {{&entry.size, zip::kInExtra64}, {&entry.packed_size, zip::kInExtra64}, {&entry.header_offset, zip::kInExtra64}});
  if (disk != 0) fail(ErrorCode::kUnsupported, place(entry), "is in another part of the archive");
  if ((entry.flags & kEncrypted) != 0) fail(ErrorCode::kUnsupported, place(entry), "is encrypted");
  if ((entry.flags & kPatch) != 0 || (entry.method != zip::kStored && entry.method != zip::kDeflated)) {
    fail(ErrorCode::kUnsupported, place(entry), "is packed by method {}{}, neither stored nor deflated: pack it anew",
         entry.method, method_name(entry.method));
  }
  if (entry.method == zip::kStored && entry.packed_size != entry.size) {
    fail(ErrorCode::kFormat, place(entry), "is stored, yet {} bytes make {}", entry.packed_size, entry.size);
  }
  return entry;
}

// The header before the data must say what the directory says.
void ZipArchive::check_local_header(ZipEntry& entry, std::uint64_t directory_offset) const {
  if (entry.header_offset >= directory_offset) {
    fail(ErrorCode::kFormat, place(entry), "its header at offset {} is beyond the data", entry.header_offset);
  }
  ByteReader reader(*file_, file_->range().first(directory_offset), place(entry), entry.header_offset);
  const auto signature = reader.number<std::uint32_t>();
  reader.take(2);  // version
  const auto flags = reader.number<std::uint16_t>();
  const auto method = reader.number<std::uint16_t>();
  reader.take(4);  // time
  const auto crc = reader.number<std::uint32_t>();
  std::uint64_t packed_size = reader.number<std::uint32_t>();
  std::uint64_t size = reader.number<std::uint32_t>();
  const auto name_size = reader.number<std::uint16_t>();
  const auto extra_size = reader.number<std::uint16_t>();
  const std::string_view name = reader.text(name_size);
  const std::string_view extra = reader.text(extra_size);
  read_extra64(extra, place(entry), {{&size, zip::kInExtra64}, {&packed_size, zip::kInExtra64}});

  const bool later = (entry.flags & zip::kFlagDescriptor) != 0;  // numbers may be zero here
  const auto agrees = [later](std::uint64_t local, std::uint64_t directory) {
    return local == directory || (later && local == 0);
  };
  if (signature != zip::kLocalHeader || name != entry.name || flags != entry.flags || method != entry.method ||
      !agrees(crc, entry.crc) || !agrees(packed_size, entry.packed_size) || !agrees(size, entry.size)) {
    fail(ErrorCode::kFormat, place(entry), "its header at offset {} disagrees with the directory", entry.header_offset);
  }
  entry.data_offset = reader.position();
  reader.skip(entry.packed_size);
  if (later) check_descriptor(entry);
}

// The numbers after the data. Returns their bytes.
std::uint64_t ZipArchive::check_descriptor(const ZipEntry& entry) const {
  ByteReader reader(*file_, file_->range(), place(entry), entry.data_offset + entry.packed_size);
  const bool start = reader.number<std::uint32_t>() == zip::kDataDescriptor;
  if (start && reader.number<std::uint32_t>() == entry.crc) {
    ByteReader wide = reader;
    if (reader.number<std::uint32_t>() == entry.packed_size && reader.number<std::uint32_t>() == entry.size) return 16;
    if (wide.number<std::uint64_t>() == entry.packed_size && wide.number<std::uint64_t>() == entry.size) return 24;
  }
  fail(ErrorCode::kFormat, place(entry), "the descriptor after its data disagrees with the directory");
}

void ZipArchive::check_overlaps() const {
  std::vector<std::uint32_t> order(entries_.size());
  budget_.charge(order.size() * sizeof(std::uint32_t), "zip entries");
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::sort(order.begin(), order.end(),
            [this](auto a, auto b) { return entries_[a].header_offset < entries_[b].header_offset; });
  std::uint64_t end = 0;
  for (const std::uint32_t i : order) {
    const ZipEntry& entry = entries_[i];
    if (entry.header_offset < end) fail(ErrorCode::kFormat, place(entry), "overlaps another entry");
    const bool later = (entry.flags & zip::kFlagDescriptor) != 0;
    end = entry.data_offset + entry.packed_size + (later ? check_descriptor(entry) : 0);
  }
}

const ZipEntry* ZipArchive::find(std::string_view name) const noexcept {
  const auto place =
      std::lower_bound(entries_.begin(), entries_.end(), name,
                       [](const ZipEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return place == entries_.end() || place->name != name ? nullptr : &*place;
}

}  // namespace resnet
