// A tensor as a window on somebody's bytes: where it begins and how far apart its elements lie, as PyTorch and NumPy
// say it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "formats/memory_budget.h"
#include "formats/zip_archive.h"
#include "resnet/tensor.h"

namespace resnet {

inline constexpr std::size_t kMaxTensorRank = 64;

struct TensorWindow {
  DType dtype = DType::kF32;
  std::uint64_t offset = 0;  // in elements, as the strides
  Shape sizes;
  Shape strides;
};

// The strides of a dense tensor.
Shape dense_strides(const Shape& sizes);

// Those of one whose first dimension is the densest (Fortran's order).
Shape fortran_strides(const Shape& sizes);

// The tensor: a view where it is dense, else gathered when somebody asks for it. Sizes, strides and offset must not be
// negative. Throws kFormat where it reaches beyond the bytes, kLimit where it is larger than the budget allows; `where`
// names it.
Tensor open_window(const TensorWindow& window, const OwnedBytes& bytes, const std::shared_ptr<MemoryBudget>& budget,
                   const std::string& where);

}  // namespace resnet
