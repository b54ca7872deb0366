// The Python names that may stand in a torch file. Each has a part that it plays for the reader; no class is ever made
// and no function ever called. Every other name is refused.
#pragma once

#include <optional>
#include <string_view>

#include "resnet/tensor.h"

namespace resnet {

enum class GlobalRole {
  kDict,              // collections.OrderedDict and its kin: a dictionary
  kRebuildTensor,     // torch._utils._rebuild_tensor, _rebuild_tensor_v2: (storage, offset, sizes, strides, ...)
  kRebuildTensorV3,   // torch._utils._rebuild_tensor_v3: the same, with the type as the seventh argument
  kRebuildParameter,  // torch._utils._rebuild_parameter: (tensor, ...)
  kSize,              // torch.Size: (tuple of numbers,)
  kStorage,           // torch.FloatStorage, ...: `dtype` holds the type, nothing for untyped bytes
  kDType,             // torch.float32, ...: `dtype` holds the type
  kIgnored,           // what checkpoints hold beside tensors: argparse.Namespace, numpy scalars, ...
};

struct Global {
  std::string_view module;
  std::string_view name;
  GlobalRole role = GlobalRole::kIgnored;
  std::optional<DType> dtype = std::nullopt;
};

// Null where the name is not on the list. Python 2's module names are known, too.
const Global* find_global(std::string_view module, std::string_view name) noexcept;

// True where the name is a class of whole models: of torch.nn, torchvision.models, timm, or of the script itself.
bool is_model_class(std::string_view module, std::string_view name) noexcept;

// "FloatStorage": torch's storage class of a type; "" for those that have none (unsigned integers of 16 to 64 bits).
std::string_view storage_class(DType type) noexcept;

// "float32": torch's name of a type.
std::string_view dtype_name(DType type) noexcept;

}  // namespace resnet
