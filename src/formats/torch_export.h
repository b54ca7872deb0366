// Programs of torch.export (.pt2): a zip archive with the weights as entries and JSON files that name them (PyTorch 2.8
// and later), or with a torch.save file of the state dict in it (before).
#pragma once

#include <memory>
#include <string>

#include "base/checked_file.h"
#include "formats/memory_budget.h"
#include "formats/zip_archive.h"
#include "resnet/tensor_file.h"

namespace resnet {

bool looks_like_torch_export(const ZipArchive& archive) noexcept;

// Tensors under the names of the state dict, constants under "constants.NAME"; the program is the value
// "models/NAME.json". Throws kFormat, kLimit, kUnsupported.
TensorFile read_torch_export(const ZipArchive& archive, const std::string& path,
                             const std::shared_ptr<MemoryBudget>& budget);

}  // namespace resnet
