// NumPy's archives of arrays (.npz): a zip archive with an entry NAME.npy for each, stored or deflated.
#pragma once

#include <memory>
#include <string>

#include "base/checked_file.h"
#include "formats/memory_budget.h"
#include "formats/zip_archive.h"
#include "resnet/tensor_file.h"

namespace resnet {

bool looks_like_npz(const ZipArchive& archive) noexcept;

// Arrays in the order in which they were written, under their names without ".npy". Throws kFormat, kLimit.
TensorFile read_npz(const ZipArchive& archive, const std::shared_ptr<const CheckedFile>& file, const std::string& path,
                    const std::shared_ptr<MemoryBudget>& budget);

}  // namespace resnet
