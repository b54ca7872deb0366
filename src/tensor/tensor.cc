#include "resnet/tensor.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/buffer.h"
#include "base/byte_source.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "tensor/convert.h"

namespace resnet {
namespace {

struct TypeInfo {
  std::string_view name;
  std::size_t size;
};

// In the order of the enumeration.
constexpr TypeInfo kTypes[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"I8", 1},  {"I16", 2}, {"I32", 4},
                               {"I64", 8}, {"U8", 1},  {"U16", 2},  {"U32", 4}, {"U64", 8}, {"BOOL", 1}};

const TypeInfo& info(DType type) noexcept { return kTypes[static_cast<std::size_t>(type)]; }

const float kZero = 0;

}  // namespace

std::string_view name(DType type) noexcept { return info(type).name; }
std::size_t size_in_bytes(DType type) noexcept { return info(type).size; }

std::int64_t element_count(const Shape& shape) {
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) fail(ErrorCode::kLimit, "shape " + to_string(shape), "a size is negative");
    empty = empty || size == 0;
  }
  if (empty) return 0;
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) {
      fail(ErrorCode::kLimit, "shape " + to_string(shape), "too many elements");
    }
  }
  return count;
}

std::string to_string(const Shape& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

Tensor::Tensor() : bytes_(std::as_bytes(std::span(&kZero, 1))) {}

Tensor Tensor::fresh(DType type, Shape shape, bool zeroed) {
  Tensor tensor;
  tensor.dtype_ = type;
  tensor.count_ = element_count(shape);
  tensor.shape_ = std::move(shape);
  const std::size_t element = size_in_bytes(type);
  if (static_cast<std::uint64_t>(tensor.count_) > std::numeric_limits<std::size_t>::max() / element) {
    fail(ErrorCode::kLimit, "shape " + to_string(tensor.shape_), "too many bytes");
  }
  auto memory = std::make_shared<AlignedBuffer<std::byte>>(static_cast<std::size_t>(tensor.count_) * element, zeroed);
  tensor.bytes_ = memory->span();
  tensor.mutable_ = memory->data();
  tensor.owner_ = std::move(memory);
  return tensor;
}

Tensor Tensor::zeros(DType type, Shape shape) { return fresh(type, std::move(shape), /*zeroed=*/true); }

Tensor Tensor::copy() const {
  Tensor result = fresh(dtype_, shape_, /*zeroed=*/false);
  read(0, {result.mutable_, bytes_.size()});
  return result;
}

void Tensor::read(std::size_t offset, std::span<std::byte> out) const {
  if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
    fail(ErrorCode::kInvalidArgument, "tensor", "{} bytes from {} on of {}", out.size(), offset, bytes_.size());
  }
  const std::span<const std::byte> part = bytes_.subspan(offset, out.size());
  if (const ByteSource* source = ByteSource::of(owner_)) {
    source->copy(part, out);
  } else if (!part.empty()) {
    std::memcpy(out.data(), part.data(), part.size());
  }
}

Tensor Tensor::in_memory() const {
  const ByteSource* source = ByteSource::of(owner_);
  if (source != nullptr && !source->keeps_all()) return copy();
  bytes();
  return *this;
}

std::span<const std::byte> Tensor::bytes() const {
  const ByteSource* source = ByteSource::of(owner_);
  return source == nullptr ? bytes_ : source->load(bytes_);
}

namespace {

template <typename T>
void copy_values(std::span<const T> values, const Tensor& tensor, std::byte* target) {
  if (static_cast<std::int64_t>(values.size()) != tensor.count()) {
    fail(ErrorCode::kInvalidArgument, "tensor", "{} values for shape {}", values.size(), to_string(tensor.shape()));
  }
  if (!values.empty()) std::memcpy(target, values.data(), values.size_bytes());
}

}  // namespace

Tensor Tensor::from(std::span<const float> values, Shape shape) {
  Tensor tensor = zeros(DType::kF32, std::move(shape));
  copy_values(values, tensor, tensor.mutable_);
  return tensor;
}

Tensor Tensor::from(std::span<const std::int64_t> values, Shape shape) {
  Tensor tensor = zeros(DType::kI64, std::move(shape));
  copy_values(values, tensor, tensor.mutable_);
  return tensor;
}

Tensor Tensor::view(DType type, Shape shape, std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.dtype_ = type;
  tensor.count_ = element_count(shape);
  tensor.shape_ = std::move(shape);
  if (bytes.size() % size_in_bytes(type) != 0 ||
      bytes.size() / size_in_bytes(type) != static_cast<std::uint64_t>(tensor.count_)) {
    fail(ErrorCode::kInvalidArgument, "tensor", "{} bytes for shape {} of {}", bytes.size(), to_string(tensor.shape_),
         name(type));
  }
  tensor.bytes_ = bytes;
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  if (shape_.empty() || begin < 0 || end < begin || end > shape_[0]) {
    fail(ErrorCode::kInvalidArgument, "tensor", "{} has no rows {} to {}", to_string(shape_), begin, end);
  }
  const std::size_t row = shape_[0] == 0 ? 0 : bytes_.size() / static_cast<std::size_t>(shape_[0]);
  Shape shape = shape_;
  shape[0] = end - begin;
  return view(dtype_, std::move(shape),
              bytes_.subspan(static_cast<std::size_t>(begin) * row, static_cast<std::size_t>(end - begin) * row),
              owner_);
}

std::span<const float> Tensor::f32() const {
  if (dtype_ != DType::kF32) fail(ErrorCode::kMismatch, "tensor", "is {}, not F32", name(dtype_));
  if (reinterpret_cast<std::uintptr_t>(bytes_.data()) % alignof(float) != 0) {
    fail(ErrorCode::kMismatch, "tensor", "is not aligned");
  }
  return {reinterpret_cast<const float*>(bytes().data()), static_cast<std::size_t>(count_)};
}

std::span<float> Tensor::mutable_f32() {
  if (dtype_ != DType::kF32) fail(ErrorCode::kMismatch, "tensor", "is {}, not F32", name(dtype_));
  if (mutable_ == nullptr && count_ != 0) fail(ErrorCode::kInvalidArgument, "tensor", "is a read-only view");
  return {reinterpret_cast<float*>(mutable_), static_cast<std::size_t>(count_)};
}

Tensor Tensor::to_f32() const {
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes_.data()) % alignof(float) == 0;
  if (dtype_ == DType::kF32 && aligned) return *this;
  Tensor result = fresh(DType::kF32, shape_, /*zeroed=*/false);
  convert_to_f32(dtype_, in_memory().bytes_, result.mutable_f32());
  return result;
}

// Where `name` stands in the hash table, or the free slot where it would go. At least one slot is free.
std::size_t StateDict::slot_of(std::string_view name) const noexcept {
  const std::size_t mask = slots_.size() - 1;  // a power of two
  std::size_t slot = KeyedHash()(name) & mask;
  while (slots_[slot] != 0 && entries_[slots_[slot] - 1].first != name) slot = (slot + 1) & mask;
  return slot;
}

void StateDict::rehash(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    slots_[slot_of(entries_[i].first)] = static_cast<std::uint32_t>(i + 1);
  }
}

void StateDict::reserve(std::size_t count) {
  entries_.reserve(count);
  const std::size_t slots = std::bit_ceil(count * 2);
  if (slots > slots_.size()) rehash(slots);
}

void StateDict::add(std::string name, Tensor tensor) {
  if (entries_.size() >= std::numeric_limits<std::uint32_t>::max() - 1)
    fail(ErrorCode::kLimit, name, "too many tensors");
  if ((entries_.size() + 1) * 2 > slots_.size()) rehash(std::max<std::size_t>(16, slots_.size() * 2));
  const std::size_t slot = slot_of(name);
  if (slots_[slot] != 0) fail(ErrorCode::kFormat, "tensor '" + name + "'", "is there twice");
  entries_.emplace_back(std::move(name), std::move(tensor));
  slots_[slot] = static_cast<std::uint32_t>(entries_.size());
}

void StateDict::set(const std::string& name, Tensor tensor) {
  const std::uint32_t entry = slots_.empty() ? 0 : slots_[slot_of(name)];
  if (entry == 0) {
    add(name, std::move(tensor));
  } else {
    entries_[entry - 1].second = std::move(tensor);
  }
}

void StateDict::rename(const std::function<std::string(std::string_view)>& new_name) {
  std::fill(slots_.begin(), slots_.end(), 0);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::string& name = entries_[i].first;
    name = new_name(name);
    const std::size_t slot = slot_of(name);
    if (slots_[slot] != 0) fail(ErrorCode::kFormat, "tensor '" + one_line(name) + "'", "is there twice");
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

const Tensor* StateDict::find(std::string_view name) const noexcept {
  const std::uint32_t entry = slots_.empty() ? 0 : slots_[slot_of(name)];
  return entry == 0 ? nullptr : &entries_[entry - 1].second;
}

const Tensor& StateDict::at(std::string_view name) const {
  const Tensor* tensor = find(name);
  if (tensor == nullptr) fail(ErrorCode::kNotFound, fmt::format("tensor '{}'", name), "is not there");
  return *tensor;
}

}  // namespace resnet
