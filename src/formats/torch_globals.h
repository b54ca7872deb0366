// The Python names that the readers of pickles know. Each has a part that it plays for the reader; no class is ever
// made and no function ever called.
#pragma once

#include <cstddef>
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
  kRebuildSubclass,   // torch._tensor._rebuild_from_type_v2: (a rebuild function, class, its arguments, state)
  kStorageBytes,      // torch.storage._load_from_bytes: (bytes of a file of torch.save,)
  kMakeObject,        // copyreg._reconstructor and __newobj__: (class, ...)
  kFirst,             // a value like its first argument: list, set, bytearray, ...
  kText,              // _codecs.encode: (text, "latin1"), which is how bytes look in protocols before 3
  kPath,              // pathlib's classes: (part, part, ...)
  kDevice,            // torch.device: (type[, index])
  kNamespace,         // argparse.Namespace: nothing but attributes
  kNumpyScalar,       // numpy's scalar(): (dtype, bytes)
  kNumpyArray,        // numpy's _reconstruct(): the state is (version, shape, dtype, Fortran's order, bytes)
  kNumpyBuffer,       // numpy's _frombuffer(): (bytes, dtype, shape, order)
  kNumpyType,         // numpy.dtype: (code, ...)
  kJoblibArray,       // joblib's NumpyArrayWrapper: its values follow in the stream (joblib_array.h)
  kOddStorage,        // storages of values that are no DType: `element_size` says how large
  kIgnored,           // others that are known, but mean nothing here
  kOpaque,            // classes and functions that nobody here knows
};

struct Global {
  std::string_view module;
  std::string_view name;
  GlobalRole role = GlobalRole::kIgnored;
  std::optional<DType> dtype = std::nullopt;
  std::size_t element_size = 0;
};

// Null where the name is not on the list. Python 2's module names are known, too.
const Global* find_global(std::string_view module, std::string_view name) noexcept;

// Bytes of a value in storages of this class; 1 for untyped ones, 0 where the name is no class whose values we know.
inline std::size_t storage_element_size(const Global& type) noexcept {
  if (type.role == GlobalRole::kStorage) return type.dtype ? size_in_bytes(*type.dtype) : 1;
  return type.element_size;
}

// "FloatStorage": torch's storage class of a type; "" for those that have none (unsigned integers of 16 to 64 bits).
std::string_view storage_class(DType type) noexcept;

// "float32": torch's name of a type.
std::string_view dtype_name(DType type) noexcept;

}  // namespace resnet
