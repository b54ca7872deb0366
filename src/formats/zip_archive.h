// The zip archives that torch.save writes (PKWARE APPNOTE 6.3.9): stored or deflated entries, zip64, data descriptors.
// The reader is strict: whatever two readers could understand in two ways is refused.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/checked_file.h"
#include "formats/byte_reader.h"
#include "formats/memory_budget.h"

namespace resnet {

struct ZipEntry {
  std::string_view name;  // within the file, loaded
  std::uint64_t header_offset = 0;
  std::uint64_t data_offset = 0;
  std::uint64_t packed_size = 0;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  bool is_link = false;  // a symbolic link, as Unix programs pack it: its bytes are what it names
};

// Which names entries may have, beside those that lead out of the archive, which none may.
enum class ZipNames {
  kPlain,  // UTF-8 without control characters and backslashes
  kFiles,  // those of files: any bytes but control characters
};

// Bytes, and what keeps them alive. Those of a source must be loaded before anybody looks at them.
struct OwnedBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;

  std::span<const std::byte> load() const {
    const ByteSource* source = ByteSource::of(owner);
    return source == nullptr ? bytes : source->load(bytes);
  }

  // Loads what it reads.
  ByteReader reader(std::string where, std::size_t position = 0) const {
    const ByteSource* source = ByteSource::of(owner);
    return source == nullptr ? ByteReader(bytes, std::move(where), position)
                             : ByteReader(*source, bytes, std::move(where), position);
  }
};

class ZipArchive {
 public:
  // Reads and checks the directory and every entry's header. `path` names the file in errors. Throws kFormat, kLimit,
  // kUnsupported. `budget` must outlive the archive.
  ZipArchive(std::shared_ptr<const CheckedFile> file, std::string path, MemoryBudget& budget,
             ZipNames names = ZipNames::kPlain);

  std::span<const ZipEntry> entries() const noexcept { return entries_; }  // sorted by name
  const ZipEntry* find(std::string_view name) const noexcept;              // null where there is none

  // An entry's bytes with their checksum compared: a view of the file where they are stored, else unpacked into memory
  // that is charged to the budget.
  OwnedBytes read(const ZipEntry& entry) const { return read(entry, budget_); }

  // The same with a budget of the caller's, for those who read many entries and keep none. May be called from several
  // threads, each with its own.
  OwnedBytes read(const ZipEntry& entry, MemoryBudget& budget) const;

  // The same, but nothing is read, compared, unpacked or charged before somebody asks for the bytes; the archive may be
  // gone then. A size that cannot be is refused at once.
  OwnedBytes defer(const ZipEntry& entry, const std::shared_ptr<MemoryBudget>& budget) const;

 private:
  struct Directory {
    std::uint64_t count = 0, offset = 0, size = 0;
  };
  Directory find_directory() const;
  Directory read_end64(std::size_t end, const Directory& small) const;
  ZipEntry read_directory_header(ByteReader& reader) const;
  void check_local_header(ZipEntry& entry, std::uint64_t directory_offset) const;
  std::uint64_t check_descriptor(const ZipEntry& entry) const;
  void check_overlaps() const;
  void check_ratio(const ZipEntry& entry) const;
  std::string place(const ZipEntry& entry) const;

  std::shared_ptr<const CheckedFile> file_;
  std::string path_;
  MemoryBudget& budget_;
  ZipNames names_;
  std::vector<ZipEntry> entries_;
};

}  // namespace resnet
