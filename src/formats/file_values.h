// Where the readers of files put what is neither a tensor nor in a pickle.
#pragma once

#include <string>
#include <string_view>

#include "formats/memory_budget.h"
#include "resnet/tensor_file.h"

namespace resnet {

inline constexpr std::size_t kMaxTextFile = std::size_t{8} << 20;  // bytes of a text in a file that are kept

// Adds a tensor that was read, charged to the budget. Throws kFormat where its name is there already.
void add_tensor(TensorFile& file, std::string name, Tensor tensor, const std::string& path, MemoryBudget& budget);

// Adds a text as a value, or as an opaque part where it is too long.
void add_text(TensorFile& file, std::string name, std::string_view text, MemoryBudget& budget);

// The same for a text that is JSON already. Throws kFormat where it is not; `where` names it.
void add_json(TensorFile& file, std::string name, std::string_view json, const std::string& where,
              MemoryBudget& budget);

}  // namespace resnet
