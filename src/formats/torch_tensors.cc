#include "formats/torch_tensors.h"

#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "formats/pickled_bytes.h"
#include "formats/tensor_window.h"
#include "formats/torch_legacy.h"

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Value;

std::optional<std::uint64_t> as_size(const Value& value) {
  const std::int64_t* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

const Global* as_name(const Value& value) {
  const Global* const* global = std::get_if<const Global*>(&value);
  return global == nullptr ? nullptr : *global;
}

bool rebuilds(const Global& function) {
  return function.role == GlobalRole::kRebuildTensor || function.role == GlobalRole::kRebuildTensorV3;
}

// Throws where values of this type are none of ours.
DType readable(const Global& type, GlobalRole role, const std::string& where) {
  if (type.role == role) return type.dtype.value_or(DType::kU8);
  fail(ErrorCode::kUnsupported, where, "its values are of the type {}.{}, which is not read", one_line(type.module),
       one_line(type.name));
}

// Reads one tensor's record, whose place is `where`.
class TensorRecord {
 public:
  TensorRecord(const TensorCall& call, const std::string& where) : call_(call), where_(where) {}

  // All but the type where the storage says that.
  TensorWindow parse() const;
  const Value& storage() const { return call_.arguments[0]; }
  bool says_type() const { return call_.function->role == GlobalRole::kRebuildTensorV3; }

 private:
  Shape numbers(const Value& value, const char* what) const;
  void check_metadata(std::size_t index) const;

  const TensorCall& call_;
  const std::string& where_;
};

Shape TensorRecord::numbers(const Value& value, const char* what) const {
  const Object* call = as(value, Kind::kCall);
  const bool is_size = call != nullptr && call->callee->role == GlobalRole::kSize && call->items.size() == 1;
  const Object* tuple = as(is_size ? call->items[0] : value, Kind::kTuple);
  if (tuple == nullptr) fail(ErrorCode::kFormat, where_, "its {}s are not a tuple", what);
  if (tuple->items.size() > kMaxTensorRank) fail(ErrorCode::kLimit, where_, "more than {} dimensions", kMaxTensorRank);
  Shape result;
  for (const Value& item : tuple->items) {
    const auto number = as_size(item);
    if (!number) fail(ErrorCode::kFormat, where_, "a {} is negative or not a number", what);
    result.push_back(static_cast<std::int64_t>(*number));
  }
  return result;
}

// Tensors that are lazily conjugated or negated say so here; their bytes are not their values.
void TensorRecord::check_metadata(std::size_t index) const {
  const std::span<const Value> items = call_.arguments;
  if (items.size() <= index || std::holds_alternative<pickle::None>(items[index])) return;
  const Object* dict = as(items[index], Kind::kDict);
  if (items.size() > index + 1 || dict == nullptr || !dict->items.empty()) {
    fail(ErrorCode::kUnsupported, where_,
         "has metadata: it is not stored as it is (conjugated or negated); save it in PyTorch after "
         ".resolve_conj().resolve_neg()");
  }
}

TensorWindow TensorRecord::parse() const {
  const std::span<const Value> items = call_.arguments;
  if (items.size() < (says_type() ? 7U : 4U))
    fail(ErrorCode::kFormat, where_, "its record has {} fields", items.size());
  TensorWindow window;
  const auto offset = as_size(items[1]);
  if (!offset) fail(ErrorCode::kFormat, where_, "its offset is negative or not a number");
  window.offset = *offset;
  window.sizes = numbers(items[2], "size");
  window.strides = numbers(items[3], "stride");
  if (window.sizes.size() != window.strides.size()) {
    fail(ErrorCode::kFormat, where_, "{} sizes and {} strides", window.sizes.size(), window.strides.size());
  }
  if (says_type()) {
    const Global* type = as_name(items[6]);
    if (type == nullptr) fail(ErrorCode::kFormat, where_, "has a type that is not supported");
    window.dtype = readable(*type, GlobalRole::kDType, where_);
  }
  check_metadata(says_type() ? 7 : 6);
  return window;
}

}  // namespace

TensorCall find_tensor(const Value& value) {
  const Object* call = as(value, Kind::kCall);
  if (call != nullptr && call->callee->role == GlobalRole::kRebuildSubclass && call->items.size() > 2) {
    const Global* function = as_name(call->items[0]);  // (function, class, arguments, state)
    const Object* arguments = as(call->items[2], Kind::kTuple);
    if (function == nullptr || arguments == nullptr) return {};
    if (rebuilds(*function)) return {function, arguments->items};
    if (function->role != GlobalRole::kRebuildParameter || arguments->items.empty()) return {};
    call = as(arguments->items[0], Kind::kCall);
  } else if (call != nullptr && call->callee->role == GlobalRole::kRebuildParameter) {
    call = call->items.empty() ? nullptr : as(call->items[0], Kind::kCall);  // never a parameter itself
  }
  if (call == nullptr || !rebuilds(*call->callee)) return {};
  return {call->callee, call->items};
}

Tensor TorchTensors::read(const TensorCall& call, const std::string& where) const {
  const TensorRecord record(call, where);
  TensorWindow window = record.parse();
  const Value& value = record.storage();
  if (const Object* persistent = as(value, Kind::kPersistent)) {
    const StorageId id = parse_storage_id(*persistent, where);
    const DType type = readable(*id.type, GlobalRole::kStorage, where);
    if (!record.says_type()) window.dtype = type;
    OwnedBytes bytes = storages_(id);
    const std::size_t unit = id.element_size();
    bytes.bytes = bytes.bytes.subspan(id.view_begin * unit, id.view_count * unit);
    return open_window(window, bytes, budget_, where);
  }
  const Object* loaded = as(value, Kind::kCall);  // torch.storage._load_from_bytes(b"...")
  if (loaded == nullptr || loaded->callee->role != GlobalRole::kStorageBytes || loaded->items.size() != 1) {
    fail(ErrorCode::kFormat, where, "has no storage");
  }
  const auto stream = pickled_bytes(loaded->items[0], pickle_, *budget_);
  if (!stream) fail(ErrorCode::kFormat, where, "has no storage");
  constexpr std::size_t kWork = 8;  // many tensors may name one long stream
  budget_->charge(stream->bytes.size() / kWork, "storages");
  const LoneStorage storage = read_lone_storage(*stream, where, budget_);
  if (!record.says_type()) window.dtype = storage.type;
  return open_window(window, storage.bytes, budget_, where);
}

StorageId parse_storage_id(const Object& persistent, const std::string& where) {
  const std::vector<Value>& items = persistent.items;
  const std::string_view* tag = items.empty() ? nullptr : as_text(items[0]);
  if (tag == nullptr || *tag != "storage" || items.size() < 5 || items.size() > 6) {
    fail(ErrorCode::kFormat, where, "a persistent id that names no storage");
  }
  const Global* type = as_name(items[1]);
  const std::string_view* key = as_text(items[2]);
  const auto count = as_size(items[4]);
  if (type == nullptr || key == nullptr || !count) fail(ErrorCode::kFormat, where, "a malformed storage");
  StorageId id = {*key, type, *count, 0, *count};
  if (id.element_size() == 0 && type->role != GlobalRole::kOpaque) {
    fail(ErrorCode::kFormat, where, "a malformed storage");
  }
  if (*count > INT64_MAX / std::max<std::size_t>(id.element_size(), 1)) {
    fail(ErrorCode::kLimit, where, "a storage of {} elements", *count);
  }
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

}  // namespace resnet
