// The bytes of a zip archive's entries: checksums and unpacking.
#include <zlib.h>

#include <algorithm>

#include "base/buffer.h"
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

}  // namespace

OwnedBytes ZipArchive::read(const ZipEntry& entry, MemoryBudget& budget) const {
  const std::span<const std::byte> stored = file_->range().subspan(entry.data_offset, entry.packed_size);
  OwnedBytes result = {stored, file_};
  if (entry.method == zip::kDeflated) result = unpack(entry, budget);
  AlignedBuffer<std::byte> window(entry.method == zip::kStored ? std::min(kStep, stored.size()) : 0);
  uLong crc = ::crc32_z(0, nullptr, 0);
  for (std::size_t at = 0; at < result.bytes.size(); at += kStep) {
    std::span<const std::byte> step = result.bytes.subspan(at, std::min(kStep, result.bytes.size() - at));
    if (entry.method == zip::kStored) {
      file_->copy(step, window.span().first(step.size()));
      step = window.span().first(step.size());
    }
    crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(step.data()), step.size());
  }
  if (crc != entry.crc) {
    fail(ErrorCode::kFormat, place(entry), "its bytes are damaged: checksum {:08x} instead of {:08x}", crc, entry.crc);
  }
  return result;
}

OwnedBytes ZipArchive::unpack(const ZipEntry& entry, MemoryBudget& budget) const {
  constexpr std::uint64_t kHighestRatio = 1032;  // of deflate
  if (entry.size / kHighestRatio > entry.packed_size) {
    fail(ErrorCode::kFormat, place(entry), "{} bytes cannot unpack to {}", entry.packed_size, entry.size);
  }
  budget.charge(entry.size, "deflated entries");
  auto memory = std::make_shared<AlignedBuffer<std::byte>>(entry.size);
  const std::span<const std::byte> packed = file_->range().subspan(entry.data_offset, entry.packed_size);
  if (!inflate_all(*file_, packed, memory->span(), place(entry))) {
    fail(ErrorCode::kFormat, place(entry), "its {} packed bytes do not unpack to {}", entry.packed_size, entry.size);
  }
  const std::span<const std::byte> bytes = memory->span();
  return {bytes, std::move(memory)};
}

}  // namespace resnet
