// The bytes of a zip archive's entries: checksums and unpacking.
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/buffer.h"
#include "base/deferred_bytes.h"
#include "formats/zip_archive.h"
#include "formats/zip_format.h"

namespace resnet {
namespace {

constexpr std::size_t kStep = std::size_t{1} << 18;  // bytes of the file that are in memory at a time

// An inflate stream that ends with the scope.
class Inflater {
 public:
  explicit Inflater(const std::string& where) {
    if (::inflateInit2(&stream_, -MAX_WBITS) != Z_OK) fail(ErrorCode::kLimit, where, "no memory to unpack it");
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }
  z_stream& operator*() { return stream_; }

 private:
  z_stream stream_{};
};

// Inflates all of `packed` into all of `out`; false where they do not fit each other.
bool inflate_all(const CheckedFile& file, std::span<const std::byte> packed, std::span<std::byte> out,
                 const std::string& where) {
  Inflater inflater(where);
  z_stream& stream = *inflater;
  std::byte nothing{};  // an empty entry has no memory of its own
  AlignedBuffer<std::byte> window(std::min(kStep, packed.size()));
  std::size_t read = 0;
  std::size_t written = 0;
  for (int status = Z_OK; status != Z_STREAM_END;) {
    const std::span<std::byte> input = window.span().first(std::min(kStep, packed.size() - read));
    file.copy(packed.subspan(read, input.size()), input);
    const std::span<std::byte> output = out.subspan(written, std::min(kStep, out.size() - written));
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(output.empty() ? &nothing : output.data());
    stream.avail_out = static_cast<uInt>(output.size());
    status = ::inflate(&stream, Z_NO_FLUSH);
    const std::size_t consumed = input.size() - stream.avail_in;
    const std::size_t produced = output.size() - stream.avail_out;
    read += consumed;
    written += produced;
    if (status != Z_OK && status != Z_STREAM_END) return false;
    if (status == Z_OK && consumed == 0 && produced == 0) return false;
  }
  return read == packed.size() && written == out.size();
}

void compare(std::uint32_t expected, uLong found, const std::string& where) {
  if (found == expected) return;
  fail(ErrorCode::kFormat, where, "its bytes are damaged: checksum {:08x} instead of {:08x}", found, expected);
}

uLong crc_of(std::span<const std::byte> bytes) {
  return ::crc32_z(::crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
}

// Of bytes of the file, which are not kept in memory.
uLong crc_of(const CheckedFile& file, std::span<const std::byte> bytes) {
  AlignedBuffer<std::byte> window(std::min(kStep, bytes.size()));
  uLong crc = ::crc32_z(0, nullptr, 0);
  for (std::size_t at = 0; at < bytes.size(); at += kStep) {
    const std::span<std::byte> step = window.span().first(std::min(kStep, bytes.size() - at));
    file.copy(bytes.subspan(at, step.size()), step);
    crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(step.data()), step.size());
  }
  return crc;
}

void unpack(const CheckedFile& file, std::span<const std::byte> packed, std::uint32_t crc, std::span<std::byte> out,
            const std::string& where) {
  if (!inflate_all(file, packed, out, where)) {
    fail(ErrorCode::kFormat, where, "its {} packed bytes do not unpack to {}", packed.size(), out.size());
  }
  compare(crc, crc_of(out), where);
}

// A stored entry whose checksum is compared when somebody first asks for its bytes.
class StoredEntry : public ByteSource {
 public:
  StoredEntry(std::shared_ptr<const CheckedFile> file, std::span<const std::byte> bytes, std::uint32_t crc,
              std::string where)
      : file_(std::move(file)), bytes_(bytes), crc_(crc), where_(std::move(where)) {}

  std::span<const std::byte> load(std::span<const std::byte> part) const override {
    check();
    return file_->load(part);
  }
  void copy(std::span<const std::byte> part, std::span<std::byte> out) const override {
    check();
    file_->copy(part, out);
  }
  bool keeps_all() const noexcept override { return false; }

 private:
  void check() const {
    if (checked_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(checking_);
    if (checked_.load(std::memory_order_relaxed)) return;
    compare(crc_, crc_of(*file_, bytes_), where_);
    checked_.store(true, std::memory_order_release);
  }

  std::shared_ptr<const CheckedFile> file_;
  std::span<const std::byte> bytes_;
  std::uint32_t crc_;
  std::string where_;
  mutable std::mutex checking_;
  mutable std::atomic<bool> checked_ = false;
};

}  // namespace

void ZipArchive::check_ratio(const ZipEntry& entry) const {
  constexpr std::uint64_t kHighestRatio = 1032;  // of deflate
  if (entry.method != zip::kDeflated || entry.size / kHighestRatio <= entry.packed_size) return;
  fail(ErrorCode::kFormat, place(entry), "{} bytes cannot unpack to {}", entry.packed_size, entry.size);
}

OwnedBytes ZipArchive::read(const ZipEntry& entry, MemoryBudget& budget) const {
  check_ratio(entry);
  const std::span<const std::byte> packed = file_->range().subspan(entry.data_offset, entry.packed_size);
  if (entry.method == zip::kStored) {
    compare(entry.crc, crc_of(*file_, packed), place(entry));
    return {packed, file_};
  }
  budget.charge(entry.size, "deflated entries");
  auto memory = std::make_shared<AlignedBuffer<std::byte>>(entry.size);
  unpack(*file_, packed, entry.crc, memory->span(), place(entry));
  const std::span<const std::byte> bytes = memory->span();
  return {bytes, std::move(memory)};
}

OwnedBytes ZipArchive::defer(const ZipEntry& entry, const std::shared_ptr<MemoryBudget>& budget) const {
  check_ratio(entry);
  const std::span<const std::byte> packed = file_->range().subspan(entry.data_offset, entry.packed_size);
  if (entry.method == zip::kStored) {
    return {packed, ByteSource::share(new StoredEntry(file_, packed, entry.crc, place(entry)))};
  }
  const auto fill = [file = file_, packed, crc = entry.crc, where = place(entry), budget](std::span<std::byte> out) {
    budget->charge(out.size(), "deflated entries");
    unpack(*file, packed, crc, out, where);
  };
  const auto memory = DeferredBytes::make(entry.size, fill, place(entry));
  return {memory->range(), memory};
}

}  // namespace resnet
