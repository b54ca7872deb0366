// Tensors as files hold them: a type, a shape and bytes; and the ordered list of them that PyTorch calls a state dict.
//
// A Tensor is a cheap handle on bytes that it shares with its copies. Those of a tensor in a file are read when they
// are asked for, and are then the ones that the file had when it was opened: where another program has written to it
// meanwhile, the functions below that need them throw kIo. Values are little endian, dense, in row-major (C) order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resnet {

enum class DType : std::uint8_t { kF32, kF16, kBF16, kF64, kI8, kI16, kI32, kI64, kU8, kU16, kU32, kU64, kBool };

// "F32", "BF16", ...: the names of the safetensors format.
std::string_view name(DType type) noexcept;
std::size_t size_in_bytes(DType type) noexcept;

// Sizes of the dimensions, outermost first; empty for a scalar.
using Shape = std::vector<std::int64_t>;

// Number of elements. Throws kLimit when the product does not fit in 63 bits or a size is negative.
std::int64_t element_count(const Shape& shape);

// "64x3x7x7"; "scalar" for an empty shape.
std::string to_string(const Shape& shape);

class Tensor {
 public:
  // A float32 scalar of value zero.
  Tensor();

  // Fresh memory, zeroed, 64-byte aligned.
  static Tensor zeros(DType type, Shape shape);

  // A copy of `values`; the count must be that of the shape (kInvalidArgument).
  static Tensor from(std::span<const float> values, Shape shape);
  static Tensor from(std::span<const std::int64_t> values, Shape shape);

  // Bytes owned by somebody else, kept alive by `owner` (which may be null for static storage). The number of bytes
  // must be that of the shape and type (kInvalidArgument). The data need not be aligned.
  static Tensor view(DType type, Shape shape, std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

  DType dtype() const noexcept { return dtype_; }
  const Shape& shape() const noexcept { return shape_; }
  std::int64_t count() const noexcept { return count_; }
  std::size_t nbytes() const noexcept { return bytes_.size(); }

  // Those of a file are read into memory, where they stay as long as a tensor of the file lives.
  std::span<const std::byte> bytes() const;

  // The part [begin, end) of the first dimension, which shares the memory (kInvalidArgument where there is none).
  Tensor rows(std::int64_t begin, std::int64_t end) const;

  // Reads bytes into memory of the caller's, as many as it has room for, from the one `offset` on; there must be as
  // many (kInvalidArgument). Those of a file are not kept.
  void read(std::size_t offset, std::span<std::byte> out) const;

  // The same values in fresh memory, as zeros() gives it. Those of a file are read for it alone.
  Tensor copy() const;

  // *this where it is in memory already, else a copy: for who needs all tensors of a file, but one after the other.
  Tensor in_memory() const;

  // The values where the type is float32 and the data is aligned (kMismatch otherwise; to_f32 always works).
  std::span<const float> f32() const;

  // Writable values of a float32 tensor made by zeros, from, copy or to_f32 (kInvalidArgument for views). Copies of the
  // handle see the change.
  std::span<float> mutable_f32();

  // The same numbers as float32: *this where they are so already (and aligned), a converted copy otherwise.
  Tensor to_f32() const;

 private:
  friend struct TensorPlace;
  static Tensor fresh(DType type, Shape shape, bool zeroed);

  DType dtype_ = DType::kF32;
  Shape shape_;
  std::int64_t count_ = 1;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  std::byte* mutable_ = nullptr;  // bytes_ where this library allocated them
};

// Named tensors in the order in which a file or a network has them. Names are unique.
class StateDict {
 public:
  using Entry = std::pair<std::string, Tensor>;

  // Throws kFormat where the name is there already.
  void add(std::string name, Tensor tensor);

  // Puts a tensor in the place of an existing one, or at the end.
  void set(const std::string& name, Tensor tensor);

  const Tensor* find(std::string_view name) const noexcept;  // null where there is none
  const Tensor& at(std::string_view name) const;             // throws kNotFound
  bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }

  // Gives each tensor the name that `new_name` returns for its own. Throws kFormat where two get the same one;
  // the dictionary is then of no use.
  void rename(const std::function<std::string(std::string_view)>& new_name);

  // Makes room for `count` tensors in all.
  void reserve(std::size_t count);

  std::size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }

 private:
  std::size_t slot_of(std::string_view name) const noexcept;
  void rehash(std::size_t slots);

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // hash table: 0 for a free slot, else 1 + index of the entry
};

}  // namespace resnet
