#include "formats/tensor_window.h"

#include <cstring>
#include <vector>

#include "base/deferred_bytes.h"
#include "base/error.h"

namespace resnet {
namespace {

// Elements from the bytes' start to the end of the last one that the tensor reads.
std::uint64_t extent(const TensorWindow& window, std::uint64_t count, const std::string& where) {
  if (count == 0) return 0;
  std::uint64_t last = window.offset;
  bool overflow = false;
  for (std::size_t i = 0; i < window.sizes.size(); ++i) {
    std::uint64_t span = 0;
    overflow |= __builtin_mul_overflow(static_cast<std::uint64_t>(window.sizes[i] - 1),
                                       static_cast<std::uint64_t>(window.strides[i]), &span);
    overflow |= __builtin_add_overflow(last, span, &last);
  }
  if (overflow || last == UINT64_MAX) fail(ErrorCode::kFormat, where, "reaches beyond its storage");
  return last + 1;
}

bool is_dense(const TensorWindow& window) {
  std::int64_t stride = 1;
  for (std::size_t i = window.sizes.size(); i-- > 0;) {
    if (window.sizes[i] != 1 && window.strides[i] != stride) return false;
    stride *= window.sizes[i];
  }
  return true;
}

// The tensor's number of elements; throws where its bytes do not fit in 63 bits.
std::uint64_t count_elements(const TensorWindow& window, const std::string& where) {
  try {
    const auto count = static_cast<std::uint64_t>(element_count(window.sizes));
    if (count <= INT64_MAX / size_in_bytes(window.dtype)) return count;
  } catch (const Error&) {  // told below, with the tensor's name
  }
  fail(ErrorCode::kLimit, where, "shape {} is too large", to_string(window.sizes));
}

// Copies elements that lie `strides` apart one behind another, until `out` is full.
void gather(const TensorWindow& window, std::span<const std::byte> bytes, std::span<std::byte> out) {
  const std::size_t element = size_in_bytes(window.dtype);
  struct Dimension {
    std::uint64_t size, stride, index;
  };
  std::vector<Dimension> dimensions;  // those with more than one place: the others would only be carried over
  for (std::size_t i = 0; i < window.sizes.size(); ++i) {
    if (window.sizes[i] == 1) continue;
    dimensions.push_back(
        {static_cast<std::uint64_t>(window.sizes[i]), static_cast<std::uint64_t>(window.strides[i]), 0});
  }
  std::uint64_t from = window.offset;
  for (std::size_t to = 0; to < out.size(); to += element) {
    std::memcpy(out.data() + to, bytes.data() + from * element, element);
    for (auto d = dimensions.rbegin(); d != dimensions.rend(); ++d) {  // the next index, last dimension first
      from += d->stride;
      if (++d->index < d->size) break;
      from -= d->stride * d->size;
      d->index = 0;
    }
  }
}

}  // namespace

Shape dense_strides(const Shape& sizes) {
  Shape strides(sizes.size());
  std::int64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    if (__builtin_mul_overflow(stride, sizes[i], &stride)) stride = 0;  // element_count() refuses the shape
  }
  return strides;
}

Shape fortran_strides(const Shape& sizes) {
  const Shape strides = dense_strides({sizes.rbegin(), sizes.rend()});
  return {strides.rbegin(), strides.rend()};
}

Tensor open_window(const TensorWindow& window, const OwnedBytes& bytes, const std::shared_ptr<MemoryBudget>& budget,
                   const std::string& where) {
  const std::uint64_t count = count_elements(window, where);
  const std::uint64_t element = size_in_bytes(window.dtype);
  const std::uint64_t end = extent(window, count, where);
  if (end > bytes.bytes.size() / element) {
    fail(ErrorCode::kFormat, where, "reaches to element {} of a storage of {}", end, bytes.bytes.size() / element);
  }
  if (count == 0) return Tensor::zeros(window.dtype, window.sizes);
  if (is_dense(window)) {
    return Tensor::view(window.dtype, window.sizes, bytes.bytes.subspan(window.offset * element, count * element),
                        bytes.owner);
  }
  constexpr const char* kWhat = "strided tensors";
  constexpr std::size_t kRecord = 512;  // of what is kept to gather it later
  budget->charge(kRecord, kWhat);
  budget->require(count * element, kWhat);
  const auto fill = [window, bytes, budget](std::span<std::byte> out) {
    budget->charge(out.size(), kWhat);
    gather(window, bytes.load(), out);
  };
  const auto memory = DeferredBytes::make(count * element, fill, where);
  return Tensor::view(window.dtype, window.sizes, memory->range(), memory);
}

}  // namespace resnet
