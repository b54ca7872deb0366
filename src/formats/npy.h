// NumPy's array files (.npy, versions 1 to 3): float32 and uint8 arrays in C order, read and written; of others the
// header alone.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace resnet {

enum class NpyType { kF32, kU8 };

// Bytes belong to whoever gave them to parse_npy. They need not be aligned.
struct NpyArray {
  NpyType type = NpyType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

// What stands before the values.
struct NpyHeader {
  std::string type;  // "<f4"
  bool fortran = false;
  std::vector<std::int64_t> shape;
  std::size_t size = 0;  // its own, in bytes
};

// `bytes` must hold all of it. Throws kFormat; kUnsupported for other versions and for arrays of records.
NpyHeader parse_npy_header(std::span<const std::byte> bytes, std::string_view where);

// True where the bytes begin as a .npy file does.
bool looks_like_npy(std::span<const std::byte> bytes) noexcept;

// How many bytes stand before those of the values, as the first 12 say; 0 where they are no such file's.
std::size_t npy_header_size(std::span<const std::byte> bytes) noexcept;

// Throws kFormat where the bytes are no such file or more or fewer than the shape says, kUnsupported for other types
// and for Fortran order. `where` names the source.
NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view where);

// A file of the values, as many as the shape says (kInvalidArgument).
std::vector<std::byte> make_npy(std::span<const std::int64_t> shape, std::span<const std::uint8_t> values);

// The first of several arrays that stand one behind another, as repeated numpy.save() to one file writes them; `bytes`
// is shortened to those behind it.
NpyArray take_npy(std::span<const std::byte>& bytes, std::string_view where);

// Writes rows of float32 as they come, any number of them, and at the end a second array of bytes, which numpy.load()
// passes over. Atomic, as AtomicFile is. Throws kIo, kUnsupported for a pipe or device.
class NpyRowWriter {
 public:
  NpyRowWriter(const std::string& path, std::int64_t columns);
  void add(std::span<const float> rows);  // whole ones
  void commit(std::span<const std::uint8_t> second);

 private:
  std::string path_;
  AtomicFile file_;
  std::int64_t columns_;
  std::int64_t rows_ = 0;
};

// Writes the values, as many as the shape says (kInvalidArgument), atomically. Throws kIo.
void write_npy(const std::string& path, std::span<const std::int64_t> shape, std::span<const float> values);
void write_npy(const std::string& path, std::span<const std::int64_t> shape, std::span<const std::uint8_t> values);

}  // namespace resnet
