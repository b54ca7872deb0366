// Zip archives and pickles made by hand for the tests of the torch readers, right or wrong in every field.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/zip_format.h"

namespace resnet::test {

inline std::string number(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// ---- zip

struct Entry {
  std::string name;
  std::string data = {};
  bool deflate = false;
  bool descriptor = false;  // numbers after the data
  bool wide = false;        // sizes in zip64 fields
  int flags = 0;

  // Where set, what a header says instead of the truth.
  std::optional<std::uint16_t> method = {};
  std::optional<std::uint32_t> crc = {}, size = {}, packed_size = {}, offset = {};
  std::optional<std::string> local_name = {};
  std::optional<std::uint32_t> local_crc = {}, local_size = {}, descriptor_size = {};
  std::optional<std::uint16_t> local_flags = {}, local_method = {};
};

inline std::string deflated(const std::string& data) {
  z_stream stream{};
  deflateInit2(&stream, 1, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::uint32_t crc_of(const std::string& data) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

// The end of an archive: zip64 record and locator where `wide`, end record, comment.
inline std::string end_records(std::uint64_t count, std::uint64_t size, std::uint64_t offset, bool wide = false,
                               const std::string& comment = "") {
  std::string out;
  if (wide) {
    out += number(zip::kEnd64, 4) + number(44, 8) + number(45, 2) + number(45, 2) + number(0, 8) + number(count, 8) +
           number(count, 8) + number(size, 8) + number(offset, 8);
    out += number(zip::kEnd64Locator, 4) + number(0, 4) + number(offset + size, 8) + number(1, 4);
  }
  return out + number(zip::kEnd, 4) + number(0, 4) + number(wide ? 0xFFFF : count, 2) +
         number(wide ? 0xFFFF : count, 2) + number(wide ? 0xFFFFFFFF : size, 4) +
         number(wide ? 0xFFFFFFFF : offset, 4) + number(comment.size(), 2) + comment;
}

struct Parts {
  std::string data, directory;
};

inline Parts archive_parts(const std::vector<Entry>& entries) {
  Parts parts;
  for (const Entry& e : entries) {
    const std::string packed = e.deflate ? deflated(e.data) : e.data;
    const std::uint64_t offset = parts.data.size();
    const int flags = e.flags | (e.descriptor ? zip::kFlagDescriptor : 0);
    const int method = e.method.value_or(e.deflate ? zip::kDeflated : zip::kStored);
    const std::uint32_t crc = e.crc.value_or(crc_of(e.data));
    const std::uint64_t size = e.size.value_or(static_cast<std::uint32_t>(e.data.size()));
    const std::uint64_t packed_size = e.packed_size.value_or(static_cast<std::uint32_t>(packed.size()));
    const std::string name = e.local_name.value_or(e.name);
    const auto head = [&](int f, int m, std::uint32_t c, std::uint64_t s) {
      return number(20, 2) + number(static_cast<std::uint64_t>(f), 2) + number(static_cast<std::uint64_t>(m), 2) +
             number(0, 4) + number(c, 4) +
             (e.wide ? number(UINT64_MAX, 8) : number(s == size ? packed_size : s, 4) + number(s, 4));
    };
    parts.data +=
        number(zip::kLocalHeader, 4) +
        head(e.local_flags.value_or(static_cast<std::uint16_t>(flags)),
             e.local_method.value_or(static_cast<std::uint16_t>(method)), e.descriptor ? 0 : e.local_crc.value_or(crc),
             e.descriptor ? 0 : e.local_size.value_or(static_cast<std::uint32_t>(size))) +
        number(name.size(), 2) + number(e.wide ? 20 : 0, 2) + name;
    if (e.wide) {
      parts.data += number(zip::kExtra64, 2) + number(16, 2) + number(e.descriptor ? 0 : size, 8) +
                    number(e.descriptor ? 0 : packed_size, 8);
    }
    parts.data += packed;
    if (e.descriptor) {
      const int width = e.wide ? 8 : 4;
      parts.data += number(zip::kDataDescriptor, 4) + number(crc, 4) + number(packed_size, width) +
                    number(e.descriptor_size.value_or(static_cast<std::uint32_t>(size)), width);
    }
    parts.directory += number(zip::kDirectoryHeader, 4) + number(20, 2) + head(flags, method, crc, size) +
                       number(e.name.size(), 2) + number(e.wide ? 28 : 0, 2) + std::string(10, '\0') +
                       number(e.wide ? 0xFFFFFFFF : e.offset.value_or(static_cast<std::uint32_t>(offset)), 4) + e.name;
    if (e.wide) {
      parts.directory +=
          number(zip::kExtra64, 2) + number(24, 2) + number(size, 8) + number(packed_size, 8) + number(offset, 8);
    }
  }
  return parts;
}

inline std::string archive(const std::vector<Entry>& entries, bool wide = false, const std::string& comment = "") {
  const Parts parts = archive_parts(entries);
  return parts.data + parts.directory +
         end_records(entries.size(), parts.directory.size(), parts.data.size(), wide, comment);
}

// ---- pickle

inline std::string text(const std::string& text) { return "X" + number(text.size(), 4) + text; }
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string integer(std::int64_t value) { return "\x8a\x08" + number(static_cast<std::uint64_t>(value), 8); }
inline std::string ordered_dict() { return global("collections", "OrderedDict") + ")R"; }

inline std::string tuple(std::initializer_list<std::int64_t> values) {
  std::string out = "(";
  for (const std::int64_t value : values) out += integer(value);
  return out + "t";
}

inline std::string storage(const std::string& type, const std::string& key, std::int64_t count,
                           const std::string& view = "") {
  return "(" + text("storage") + global("torch", type) + text(key) + text("cpu") + integer(count) + view + "tQ";
}

inline std::string tensor(const std::string& storage, std::int64_t offset, std::initializer_list<std::int64_t> sizes,
                          std::initializer_list<std::int64_t> strides, const std::string& metadata = "") {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + integer(offset) + tuple(sizes) +
         tuple(strides) + "\x89" + ordered_dict() + metadata + "tR";
}

// A pickle of the object that `program` leaves on the stack.
inline std::string pickle(const std::string& program) { return std::string("\x80\x02", 2) + program + "."; }

inline std::string dict(const std::string& items) { return "}(" + items + "u"; }

// A torch.save archive of this object, with one storage.
inline std::string torch_zip(const std::string& pickle, const std::string& data = "", const std::string& key = "0") {
  return archive({{.name = "m/data.pkl", .data = pickle}, {.name = "m/data/" + key, .data = data}});
}

}  // namespace resnet::test
