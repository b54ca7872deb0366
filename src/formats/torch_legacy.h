// The stream that torch.save wrote before version 1.6: five pickles (a magic number, a protocol version, facts about
// the machine, the object, the keys of its storages), then each storage as a count and its raw bytes.
#pragma once

#include <memory>
#include <string>

#include "base/checked_file.h"
#include "formats/memory_budget.h"
#include "resnet/tensor_file.h"

namespace resnet {

// Tensors are views of `file` where they are dense. Throws kFormat, kLimit, kUnsupported.
TensorFile read_torch_legacy(const std::shared_ptr<const CheckedFile>& file, const std::string& path,
                             const std::shared_ptr<MemoryBudget>& budget);

}  // namespace resnet
