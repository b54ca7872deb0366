#include "formats/torch_tensors.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Value;

constexpr std::size_t kMaxRank = 64;

std::optional<std::uint64_t> as_size(const Value& value) {
  const std::int64_t* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

const Global* as_global(const Value& value, GlobalRole role) {
  const Global* const* global = std::get_if<const Global*>(&value);
  return global != nullptr && (*global)->role == role ? *global : nullptr;
}

// The call that rebuilds a tensor, out of the parameter it may be wrapped in; null where the value is something else.
const Object* as_tensor(const Value& value) {
  const Object* call = as(value, Kind::kCall);
  if (call != nullptr && call->callee->role == GlobalRole::kRebuildParameter) {  // a parameter is never one of another
    call = call->items.empty() ? nullptr : as(call->items[0], Kind::kCall);
  }
  if (call == nullptr) return nullptr;
  const GlobalRole role = call->callee->role;
  return role == GlobalRole::kRebuildTensor || role == GlobalRole::kRebuildTensorV3 ? call : nullptr;
}

// A tensor as a window on a storage.
struct Window {
  StorageId storage;
  DType dtype = DType::kF32;
  std::uint64_t offset = 0;  // in elements, as the strides
  Shape sizes;
  Shape strides;
};

// Reads one tensor's record, whose place is `where`.
class TensorReader {
 public:
  TensorReader(const StorageReader& storages, std::string where, MemoryBudget& budget)
      : storages_(storages), where_(std::move(where)), budget_(budget) {}

  Tensor read(const Object& call) const;

 private:
  Window parse(const Object& call) const;
  Shape parse_numbers(const Value& value, const char* what) const;
  void check_metadata(const Object& call, std::size_t index) const;
  std::uint64_t extent(const Window& window, std::uint64_t count) const;
  Tensor gather(const Window& window, std::span<const std::byte> bytes, std::uint64_t count) const;

  const StorageReader& storages_;
  std::string where_;
  MemoryBudget& budget_;
};

Shape TensorReader::parse_numbers(const Value& value, const char* what) const {
  const Object* call = as(value, Kind::kCall);
  const bool is_size = call != nullptr && call->callee->role == GlobalRole::kSize && call->items.size() == 1;
  const Object* tuple = as(is_size ? call->items[0] : value, Kind::kTuple);
  if (tuple == nullptr) fail(ErrorCode::kFormat, where_, "its {}s are not a tuple", what);
  if (tuple->items.size() > kMaxRank) fail(ErrorCode::kLimit, where_, "more than {} dimensions", kMaxRank);
  Shape numbers;
  for (const Value& item : tuple->items) {
    const auto number = as_size(item);
    if (!number) fail(ErrorCode::kFormat, where_, "a {} is negative or not a number", what);
    numbers.push_back(static_cast<std::int64_t>(*number));
  }
  return numbers;
}

// Tensors that are lazily conjugated or negated say so here; their bytes are not their values.
void TensorReader::check_metadata(const Object& call, std::size_t index) const {
  if (call.items.size() <= index || std::holds_alternative<pickle::None>(call.items[index])) return;
  const Object* dict = as(call.items[index], Kind::kDict);
  if (call.items.size() > index + 1 || dict == nullptr || !dict->items.empty()) {
    fail(ErrorCode::kUnsupported, where_, "has metadata: it is not stored as it is");
  }
}

Window TensorReader::parse(const Object& call) const {
  const std::vector<Value>& items = call.items;
  const bool v3 = call.callee->role == GlobalRole::kRebuildTensorV3;
  if (items.size() < (v3 ? 7U : 4U)) fail(ErrorCode::kFormat, where_, "its record has {} fields", items.size());
  const Object* storage = as(items[0], Kind::kPersistent);
  if (storage == nullptr) fail(ErrorCode::kFormat, where_, "has no storage");
  Window window;
  window.storage = parse_storage_id(*storage, where_);
  window.dtype = window.storage.dtype.value_or(DType::kU8);
  if (v3) {
    const Global* dtype = as_global(items[6], GlobalRole::kDType);
    if (dtype == nullptr) fail(ErrorCode::kUnsupported, where_, "has a type that is not supported");
    window.dtype = *dtype->dtype;
  }
  const auto offset = as_size(items[1]);
  if (!offset) fail(ErrorCode::kFormat, where_, "its offset is negative or not a number");
  window.offset = *offset;
  window.sizes = parse_numbers(items[2], "size");
  window.strides = parse_numbers(items[3], "stride");
  if (window.sizes.size() != window.strides.size()) {
    fail(ErrorCode::kFormat, where_, "{} sizes and {} strides", window.sizes.size(), window.strides.size());
  }
  check_metadata(call, v3 ? 7 : 6);
  return window;
}

// Elements from the storage's start to the end of the last one that the tensor reads.
std::uint64_t TensorReader::extent(const Window& window, std::uint64_t count) const {
  if (count == 0) return 0;
  std::uint64_t last = window.offset;
  bool overflow = false;
  for (std::size_t i = 0; i < window.sizes.size(); ++i) {
    std::uint64_t span = 0;
    overflow |= __builtin_mul_overflow(static_cast<std::uint64_t>(window.sizes[i] - 1),
                                       static_cast<std::uint64_t>(window.strides[i]), &span);
    overflow |= __builtin_add_overflow(last, span, &last);
  }
  if (overflow || last == UINT64_MAX) fail(ErrorCode::kFormat, where_, "reaches beyond its storage");
  return last + 1;
}

bool is_dense(const Window& window) {
  std::int64_t stride = 1;
  for (std::size_t i = window.sizes.size(); i-- > 0;) {
    if (window.sizes[i] != 1 && window.strides[i] != stride) return false;
    stride *= window.sizes[i];
  }
  return true;
}

// The tensor's number of elements; throws where its bytes do not fit in 63 bits.
std::uint64_t count_elements(const Window& window, const std::string& where) {
  try {
    const auto count = static_cast<std::uint64_t>(element_count(window.sizes));
    if (count <= INT64_MAX / size_in_bytes(window.dtype)) return count;
  } catch (const Error&) {  // told below, with the tensor's name
  }
  fail(ErrorCode::kLimit, where, "shape {} is too large", to_string(window.sizes));
}

Tensor TensorReader::read(const Object& call) const {
  const Window window = parse(call);
  const std::uint64_t count = count_elements(window, where_);
  const std::uint64_t element = size_in_bytes(window.dtype);
  const std::uint64_t end = extent(window, count);

  const OwnedBytes storage = storages_(window.storage);
  const std::size_t unit = window.storage.element_size();
  const auto bytes = storage.bytes.subspan(window.storage.view_begin * unit, window.storage.view_count * unit);
  if (end > bytes.size() / element) {
    fail(ErrorCode::kFormat, where_, "reaches to element {} of a storage of {}", end, bytes.size() / element);
  }
  if (count == 0) return Tensor::zeros(window.dtype, window.sizes);
  if (!is_dense(window)) return gather(window, OwnedBytes{bytes, storage.owner}.load(), count);
  return Tensor::view(window.dtype, window.sizes, bytes.subspan(window.offset * element, count * element),
                      storage.owner);
}

// A dense copy of a tensor whose elements lie `strides` apart.
Tensor TensorReader::gather(const Window& window, std::span<const std::byte> bytes, std::uint64_t count) const {
  const std::size_t element = size_in_bytes(window.dtype);
  budget_.charge(count * element, "strided tensors");
  auto memory = std::make_shared<AlignedBuffer<std::byte>>(count * element);
  struct Dimension {
    std::uint64_t size, stride, index;
  };
  std::vector<Dimension> dimensions;  // those with more than one place: the others would only be carried over
  for (std::size_t i = 0; i < window.sizes.size(); ++i) {
    if (window.sizes[i] == 1) continue;
    dimensions.push_back(
        {static_cast<std::uint64_t>(window.sizes[i]), static_cast<std::uint64_t>(window.strides[i]), 0});
  }
  std::uint64_t from = window.offset;
  for (std::uint64_t to = 0; to < count; ++to) {
    std::memcpy(memory->data() + to * element, bytes.data() + from * element, element);
    for (auto d = dimensions.rbegin(); d != dimensions.rend(); ++d) {  // the next index, last dimension first
      from += d->stride;
      if (++d->index < d->size) break;
      from -= d->stride * d->size;
      d->index = 0;
    }
  }
  const std::span<const std::byte> values = memory->span();
  return Tensor::view(window.dtype, window.sizes, values, std::move(memory));
}

// Where a checkpoint keeps its weights, in the order in which they are looked for.
constexpr std::array<std::string_view, 4> kContainers = {"state_dict", "model", "state_dict_ema", "model_ema"};

bool has_tensors(const Object& dict) {
  for (std::size_t i = 1; i < dict.items.size(); i += 2) {
    if (as_tensor(dict.items[i]) != nullptr) return true;
  }
  return false;
}

const Object* find_dict(const Object& dict, std::string_view key) {
  for (std::size_t i = 0; i < dict.items.size(); i += 2) {
    const std::string_view* text = as_text(dict.items[i]);
    if (text != nullptr && *text == key) return as(dict.items[i + 1], Kind::kDict);
  }
  return nullptr;
}

[[noreturn]] void fail_without_tensors(const Object& root, const std::string& path) {
  constexpr std::size_t kShown = 10;
  std::string keys;
  for (std::size_t i = 0; i < std::min(root.items.size(), 2 * kShown); i += 2) {
    const std::string_view* text = as_text(root.items[i]);
    if (text != nullptr) keys += fmt::format("{}'{}'", keys.empty() ? "" : ", ", one_line(*text));
  }
  fail(ErrorCode::kFormat, path, "no tensors at its top nor in '{}'; its keys are: {}", fmt::join(kContainers, "', '"),
       keys.empty() ? "none" : keys);
}

const Object& find_state_dict(const Value& root, const std::string& path, std::string& container) {
  const Object* top = as(root, Kind::kDict);
  if (top == nullptr) fail(ErrorCode::kUnsupported, path, "holds no dictionary of tensors: save a state_dict()");
  for (const std::string_view key : kContainers) {
    const Object* dict = find_dict(*top, key);
    if (dict == nullptr || !has_tensors(*dict)) continue;
    container = key;
    return *dict;
  }
  if (!has_tensors(*top)) fail_without_tensors(*top, path);
  return *top;
}

}  // namespace

StorageId parse_storage_id(const Object& persistent, const std::string& where) {
  const std::vector<Value>& items = persistent.items;
  const std::string_view* tag = items.empty() ? nullptr : as_text(items[0]);
  if (tag == nullptr || *tag != "storage" || items.size() < 5 || items.size() > 6) {
    fail(ErrorCode::kFormat, where, "a persistent id that names no storage");
  }
  const Global* type = as_global(items[1], GlobalRole::kStorage);
  const std::string_view* key = as_text(items[2]);
  const auto count = as_size(items[4]);
  if (type == nullptr || key == nullptr || !count) fail(ErrorCode::kFormat, where, "a malformed storage");
  StorageId id = {*key, type->dtype, *count, 0, *count};
  if (*count > INT64_MAX / id.element_size()) fail(ErrorCode::kLimit, where, "a storage of {} elements", *count);
  if (items.size() == 5 || std::holds_alternative<pickle::None>(items[5])) return id;

  const Object* view = as(items[5], Kind::kTuple);  // (key, offset, count)
  const auto begin = view != nullptr && view->items.size() == 3 ? as_size(view->items[1]) : std::nullopt;
  const auto length = begin ? as_size(view->items[2]) : std::nullopt;
  if (!length || *begin > *count || *length > *count - *begin) {
    fail(ErrorCode::kFormat, where, "a view beyond its storage '{}'", one_line(*key));
  }
  id.view_begin = *begin;
  id.view_count = *length;
  return id;
}

void read_state_dict(const Value& root, const StorageReader& storages, const std::string& path, MemoryBudget& budget,
                     TensorFile& file) {
  const Object& dict = find_state_dict(root, path, file.container);
  for (std::size_t i = 0; i < dict.items.size(); i += 2) {
    const Object* call = as_tensor(dict.items[i + 1]);
    if (call == nullptr) continue;
    const std::string_view* name = as_text(dict.items[i]);
    if (name == nullptr) fail(ErrorCode::kFormat, path, "a tensor whose name is not text");
    const std::string where = fmt::format("{}: tensor '{}'", path, one_line(*name));
    if (file.tensors.contains(*name)) fail(ErrorCode::kFormat, where, "is there twice");
    Tensor tensor = TensorReader(storages, where, budget).read(*call);
    budget.charge(2 * sizeof(StateDict::Entry) + name->size() + 8 * tensor.shape().size(), "tensors");
    file.tensors.add(std::string(*name), std::move(tensor));
  }
}

}  // namespace resnet
