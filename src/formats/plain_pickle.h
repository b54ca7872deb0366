// Files of pickle.dump() and joblib.dump(), the latter also compressed by zlib: dictionaries of PyTorch's tensors or
// NumPy's arrays.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "formats/memory_budget.h"
#include "formats/zip_archive.h"
#include "resnet/tensor_file.h"

namespace resnet {

// True where the bytes begin as a pickle of any protocol does; of protocols 0 and 1 those of containers and objects.
bool looks_like_pickle(std::span<const std::byte> bytes) noexcept;

// True where the bytes begin as a stream of zlib does.
bool looks_like_zlib(std::span<const std::byte> bytes) noexcept;

// `bytes` are the whole file. Throws kFormat, kLimit, kUnsupported.
TensorFile read_plain_pickle(const OwnedBytes& bytes, const std::string& path,
                             const std::shared_ptr<MemoryBudget>& budget);

// The same of a file that zlib packed.
TensorFile read_packed_pickle(const OwnedBytes& bytes, const std::string& path,
                              const std::shared_ptr<MemoryBudget>& budget);

}  // namespace resnet
