#include <zlib.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "formats/torch_file.h"
#include "formats/torch_globals.h"
#include "formats/zip_format.h"

namespace resnet {
namespace {

// ---- The pickle: what torch.save writes for an OrderedDict of tensors, without a memo.

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

void put_text(std::string& out, std::string_view text) {
  out += 'X';  // BINUNICODE
  put(out, text.size(), 4);
  out += text;
}

void put_int(std::string& out, std::int64_t value) {
  if (value < 1 << 16) {
    out += value < 1 << 8 ? 'K' : 'M';  // BININT1, BININT2
    put(out, static_cast<std::uint64_t>(value), value < 1 << 8 ? 1 : 2);
  } else {
    out += "\x8a\x08";  // LONG1 of 8 bytes
    put(out, static_cast<std::uint64_t>(value), 8);
  }
}

void put_global(std::string& out, std::string_view module, std::string_view name) {
  out += fmt::format("c{}\n{}\n", module, name);
}

void put_tuple(std::string& out, const Shape& values) {
  out += '(';
  for (const std::int64_t value : values) put_int(out, value);
  out += 't';
}

void put_empty_ordered_dict(std::string& out) {
  put_global(out, "collections", "OrderedDict");
  out += ")R";  // EMPTY_TUPLE, REDUCE
}

Shape dense_strides(const Shape& shape) {
  Shape strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(shape[i], 1);
  }
  return strides;
}

// torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()); types without a storage class of
// their own go through _rebuild_tensor_v3 and bytes.
void put_tensor(std::string& out, const Tensor& tensor, std::size_t key) {
  const std::string_view storage = storage_class(tensor.dtype());
  const bool typed = !storage.empty();
  put_global(out, "torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
  out += "((";  // arguments of the call, persistent id of the storage
  put_text(out, "storage");
  put_global(out, typed ? "torch" : "torch.storage", typed ? storage : "UntypedStorage");
  put_text(out, std::to_string(key));
  put_text(out, "cpu");
  put_int(out, typed ? tensor.count() : static_cast<std::int64_t>(tensor.nbytes()));
  out += "tQ";  // TUPLE, BINPERSID
  put_int(out, 0);
  put_tuple(out, tensor.shape());
  put_tuple(out, dense_strides(tensor.shape()));
  out += '\x89';  // NEWFALSE
  put_empty_ordered_dict(out);
  if (!typed) put_global(out, "torch", dtype_name(tensor.dtype()));
  out += "tR";  // TUPLE, REDUCE
}

std::string make_pickle(const StateDict& tensors, const std::string& path) {
  std::string out = "\x80\x02";  // PROTO 2
  put_empty_ordered_dict(out);
  out += '(';
  std::size_t key = 0;
  for (const auto& [name, tensor] : tensors) {
    if (valid_utf8_prefix(name) != name.size()) {
      fail(ErrorCode::kInvalidArgument, path, "'{}' is not UTF-8", one_line(name));
    }
    if (name.size() > UINT32_MAX) fail(ErrorCode::kLimit, path, "'{}' is too long a name", one_line(name));
    put_text(out, name);
    put_tensor(out, tensor, key++);
  }
  return out + "u.";  // SETITEMS, STOP
}

// ---- The archive: stored entries, data at multiples of 64 bytes. Sizes stand in zip64 fields throughout, so that
// there is one form for every size.

std::uint32_t checksum(std::span<const std::byte> bytes) {
  const auto* data = reinterpret_cast<const Bytef*>(bytes.data());
  return static_cast<std::uint32_t>(::crc32_z(::crc32_z(0, nullptr, 0), data, bytes.size()));
}

class ArchiveWriter {
 public:
  explicit ArchiveWriter(const std::string& path) : file_(path) {}

  void add(const std::string& name, std::span<const std::byte> bytes);
  void add(const std::string& name, std::string_view text) {
    add(name, std::as_bytes(std::span(text.data(), text.size())));
  }
  void finish();

 private:
  static constexpr std::size_t kDataAlignment = 64;

  void write(std::string_view text) {
    file_.write(text);
    offset_ += text.size();
  }

  AtomicFile file_;
  std::string directory_;
  std::size_t offset_ = 0;
  std::size_t count_ = 0;
};

// Version 4.5 (zip64), UTF-8 names, stored, 1 January 1980, checksum, sizes in the extra field.
void put_entry(std::string& out, std::uint32_t crc) {
  put(out, 45, 2);
  put(out, zip::kFlagUtf8, 2);
  put(out, zip::kStored, 2);
  put(out, 0, 2);
  put(out, 0x21, 2);
  put(out, crc, 4);
  put(out, zip::kInExtra64, 4);
  put(out, zip::kInExtra64, 4);
}

void ArchiveWriter::add(const std::string& name, std::span<const std::byte> bytes) {
  constexpr std::size_t kHeader = 30;
  constexpr std::size_t kSizes = 20;  // the zip64 field
  constexpr std::size_t kField = 4;   // head of the field that pads
  const std::uint32_t crc = checksum(bytes);
  const std::size_t unpadded = offset_ + kHeader + name.size() + kSizes + kField;
  const std::size_t padding = (kDataAlignment - unpadded % kDataAlignment) % kDataAlignment;

  put(directory_, zip::kDirectoryHeader, 4);
  put(directory_, 45, 2);
  put_entry(directory_, crc);
  put(directory_, name.size(), 2);
  put(directory_, kSizes + 8, 2);
  directory_.append(2 + 2 + 2 + 4, '\0');  // no comment, disk 0, no attributes
  put(directory_, zip::kInExtra64, 4);
  directory_ += name;
  put(directory_, zip::kExtra64, 2);
  put(directory_, 24, 2);
  put(directory_, bytes.size(), 8);
  put(directory_, bytes.size(), 8);
  put(directory_, offset_, 8);

  std::string header;
  put(header, zip::kLocalHeader, 4);
  put_entry(header, crc);
  put(header, name.size(), 2);
  put(header, kSizes + kField + padding, 2);
  header += name;
  put(header, zip::kExtra64, 2);
  put(header, 16, 2);
  put(header, bytes.size(), 8);
  put(header, bytes.size(), 8);
  header += "FB";  // PyTorch's own field for padding
  put(header, padding, 2);
  header.append(padding, 'Z');
  write(header);
  file_.write(bytes);
  offset_ += bytes.size();
  ++count_;
}

void ArchiveWriter::finish() {
  const std::size_t start = offset_;
  const std::size_t end = start + directory_.size();
  std::string out = std::move(directory_);
  put(out, zip::kEnd64, 4);
  put(out, 44, 8);  // bytes that follow
  put(out, 45, 2);
  put(out, 45, 2);
  put(out, 0, 4 + 4);  // disks
  put(out, count_, 8);
  put(out, count_, 8);
  put(out, end - start, 8);
  put(out, start, 8);
  put(out, zip::kEnd64Locator, 4);
  put(out, 0, 4);
  put(out, end, 8);
  put(out, 1, 4);
  put(out, zip::kEnd, 4);
  put(out, 0, 2 + 2);
  put(out, zip::kIn64, 2);
  put(out, zip::kIn64, 2);
  put(out, zip::kInExtra64, 4);
  put(out, zip::kInExtra64, 4);
  put(out, 0, 2);
  write(out);
  file_.commit();
}

}  // namespace

void write_torch_file(const StateDict& tensors, const std::string& path) {
  const std::string pickle = make_pickle(tensors, path);
  ArchiveWriter archive(path);
  archive.add("archive/data.pkl", pickle);
  archive.add("archive/byteorder", "little");
  std::size_t key = 0;
  for (const auto& [name, tensor] : tensors) {
    archive.add(fmt::format("archive/data/{}", key++), tensor.in_memory().bytes());
  }
  archive.add("archive/version", "3\n");
  archive.finish();
}

}  // namespace resnet
