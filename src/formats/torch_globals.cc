#include "formats/torch_globals.h"

#include <algorithm>
#include <array>

namespace resnet {
namespace {

using Role = GlobalRole;

struct TypeNames {
  std::string_view storage;
  std::string_view dtype;
};

// In the order of DType.
constexpr std::array<TypeNames, 13> kTypeNames = {{{"FloatStorage", "float32"},
                                                   {"HalfStorage", "float16"},
                                                   {"BFloat16Storage", "bfloat16"},
                                                   {"DoubleStorage", "float64"},
                                                   {"CharStorage", "int8"},
                                                   {"ShortStorage", "int16"},
                                                   {"IntStorage", "int32"},
                                                   {"LongStorage", "int64"},
                                                   {"ByteStorage", "uint8"},
                                                   {"", "uint16"},
                                                   {"", "uint32"},
                                                   {"", "uint64"},
                                                   {"BoolStorage", "bool"}}};

constexpr Global kGlobals[] = {
    {"collections", "OrderedDict", Role::kDict},
    {"collections", "defaultdict", Role::kDict},
    {"collections", "Counter", Role::kDict},
    {"torch._utils", "_rebuild_tensor", Role::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", Role::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v3", Role::kRebuildTensorV3},
    {"torch._utils", "_rebuild_parameter", Role::kRebuildParameter},
    {"torch", "Size", Role::kSize},
    {"torch", "UntypedStorage", Role::kStorage},
    {"torch.storage", "UntypedStorage", Role::kStorage},

    {"torch._utils", "_rebuild_parameter_with_state", Role::kRebuildParameter},
    {"torch._tensor", "_rebuild_from_type_v2", Role::kRebuildSubclass},
    {"torch.storage", "_load_from_bytes", Role::kStorageBytes},
    {"torch", "ComplexFloatStorage", Role::kOddStorage, std::nullopt, 8},
    {"torch", "ComplexDoubleStorage", Role::kOddStorage, std::nullopt, 16},
    {"torch", "QInt8Storage", Role::kOddStorage, std::nullopt, 1},
    {"torch", "QUInt8Storage", Role::kOddStorage, std::nullopt, 1},
    {"torch", "QInt32Storage", Role::kOddStorage, std::nullopt, 4},
    {"torch", "QUInt4x2Storage", Role::kOddStorage, std::nullopt, 1},
    {"torch", "QUInt2x4Storage", Role::kOddStorage, std::nullopt, 1},

    {"torch", "device", Role::kDevice},
    {"torch", "complex64"},
    {"torch", "complex128"},
    {"torch.serialization", "_get_layout"},
    {"argparse", "Namespace", Role::kNamespace},
    {"types", "SimpleNamespace", Role::kNamespace},
    {"copyreg", "_reconstructor", Role::kMakeObject},
    {"copy_reg", "_reconstructor", Role::kMakeObject},
    {"copyreg", "__newobj__", Role::kMakeObject},
    {"copy_reg", "__newobj__", Role::kMakeObject},
    {"_codecs", "encode", Role::kText},
    {"pathlib", "Path", Role::kPath},
    {"pathlib", "PosixPath", Role::kPath},
    {"pathlib", "PurePosixPath", Role::kPath},
    {"pathlib", "WindowsPath", Role::kPath},
    {"pathlib", "PureWindowsPath", Role::kPath},
    {"pathlib._local", "Path", Role::kPath},
    {"pathlib._local", "PosixPath", Role::kPath},
    {"pathlib._local", "PurePosixPath", Role::kPath},
    {"pathlib._local", "WindowsPath", Role::kPath},
    {"pathlib._local", "PureWindowsPath", Role::kPath},
    {"joblib.numpy_pickle", "NumpyArrayWrapper", Role::kJoblibArray},
    {"sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper", Role::kJoblibArray},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", Role::kFirst},
    {"torch._utils", "_rebuild_xla_tensor", Role::kFirst},
    {"torch.jit._pickle", "build_intlist", Role::kFirst},
    {"torch.jit._pickle", "build_doublelist", Role::kFirst},
    {"torch.jit._pickle", "build_boollist", Role::kFirst},
    {"torch.jit._pickle", "build_tensorlist", Role::kFirst},
    {"torch.jit._pickle", "restore_type_tag", Role::kFirst},
    {"torch.nn.parameter", "Parameter", Role::kFirst},
    {"torch.autograd.variable", "Variable", Role::kFirst},
    {"numpy", "dtype", Role::kNumpyType},
    {"numpy", "ndarray"},
    {"numpy.core.multiarray", "scalar", Role::kNumpyScalar},
    {"numpy.core.multiarray", "_reconstruct", Role::kNumpyArray},
    {"numpy._core.multiarray", "scalar", Role::kNumpyScalar},
    {"numpy._core.multiarray", "_reconstruct", Role::kNumpyArray},
    {"numpy.core.numeric", "_frombuffer", Role::kNumpyBuffer},
    {"numpy._core.numeric", "_frombuffer", Role::kNumpyBuffer},
};

// Classes of plain values; `builtins` in Python 3, `__builtin__` in Python 2 and in pickles of protocol 2.
constexpr std::string_view kBuiltins[] = {"bool", "bytearray", "bytes", "float", "frozenset", "int",
                                          "list", "long",      "set",   "str",   "tuple"};

constexpr Global kBuiltin = {"builtins", "class", Role::kFirst};
constexpr Global kOtherBuiltins[] = {
    {"builtins", "complex"}, {"builtins", "range"}, {"builtins", "slice"}, {"builtins", "object"}};
constexpr Global kBuiltinDict = {"builtins", "dict", Role::kDict};

template <Role kRole>
constexpr auto make_type_globals() {
  std::array<Global, kTypeNames.size()> globals;
  for (std::size_t i = 0; i < globals.size(); ++i) {
    const std::string_view name = kRole == Role::kStorage ? kTypeNames[i].storage : kTypeNames[i].dtype;
    globals[i] = {"torch", name, kRole, static_cast<DType>(i)};
  }
  return globals;
}

constexpr auto kStorages = make_type_globals<Role::kStorage>();
constexpr auto kDTypes = make_type_globals<Role::kDType>();

template <typename Table>
const Global* find_in(const Table& table, std::string_view module, std::string_view name) noexcept {
  const auto place = std::find_if(std::begin(table), std::end(table),
                                  [&](const Global& g) { return g.module == module && g.name == name; });
  return place == std::end(table) ? nullptr : &*place;
}

}  // namespace

const Global* find_global(std::string_view module, std::string_view name) noexcept {
  if (name.empty()) return nullptr;
  if (module == "builtins" || module == "__builtin__") {
    if (name == "dict") return &kBuiltinDict;
    if (const auto* other = std::ranges::find(kOtherBuiltins, name, &Global::name); other != std::end(kOtherBuiltins)) {
      return other;
    }
    return std::ranges::find(kBuiltins, name) != std::end(kBuiltins) ? &kBuiltin : nullptr;
  }
  if (const Global* found = find_in(kGlobals, module, name)) return found;
  if (const Global* found = find_in(kStorages, module, name)) return found;
  return find_in(kDTypes, module, name);
}

std::string_view storage_class(DType type) noexcept { return kTypeNames[static_cast<std::size_t>(type)].storage; }
std::string_view dtype_name(DType type) noexcept { return kTypeNames[static_cast<std::size_t>(type)].dtype; }

}  // namespace resnet
