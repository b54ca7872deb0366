// The files of PyTorch 0.1: a tar archive with three entries. "storages" holds a number of pickles, each with a key, a
// place and a class, and behind it a count and raw bytes; "tensors" describes tensors on them likewise; "pickle" is the
// object, which refers to tensors by their keys.
#pragma once

#include <memory>
#include <string>

#include "base/checked_file.h"
#include "formats/memory_budget.h"
#include "resnet/tensor_file.h"

namespace resnet {

// Throws kFormat, kLimit, kUnsupported; also for other tar archives.
TensorFile read_torch_tar(const std::shared_ptr<const CheckedFile>& file, const std::string& path,
                          const std::shared_ptr<MemoryBudget>& budget);

}  // namespace resnet
