// Goes through what a pickle holds and takes from it all tensors, all plain values and the names of what is neither,
// each under its path (resnet/tensor_file.h).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "formats/memory_budget.h"
#include "formats/pickle.h"
#include "formats/torch_tensors.h"
#include "formats/zip_archive.h"
#include "resnet/tensor_file.h"

namespace resnet {

// What the values and the names of opaque parts of a file may take; those beyond it are named as such.
inline constexpr std::size_t kMaxValueBytes = std::size_t{4} << 20;

struct PickleSource {
  const pickle::Pickle& pickle;
  OwnedBytes bytes;             // of the pickle
  const TorchTensors& tensors;  // its tensors
  std::string path;             // of the file, in errors
  std::shared_ptr<MemoryBudget> budget;

  // Where a file refers to tensors by persistent ids: the tensor of one. The text is its place, for errors.
  std::function<Tensor(const pickle::Object&, const std::string&)> outside = {};
  std::string base = {};  // the path of the pickle's object
};

// Adds to `file`. Throws kFormat, kLimit.
void read_tree(const PickleSource& source, TensorFile& file);

}  // namespace resnet
