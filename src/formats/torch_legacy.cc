#include "formats/torch_legacy.h"

#include <map>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "formats/byte_reader.h"
#include "formats/pickle.h"
#include "formats/pickled_tree.h"
#include "formats/torch_tensors.h"

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Value;

constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";  // 0x1950a86a20f9469cfc6c
constexpr std::int64_t kProtocol = 1001;

struct Storage {
  StorageId id;
  bool read = false;
  std::span<const std::byte> bytes;
};
using Storages = std::map<std::string_view, Storage>;

void check_head(const Value& magic, const Value& protocol, const Value& machine, const std::string& path) {
  const pickle::Long* number = std::get_if<pickle::Long>(&magic);
  if (number == nullptr || number->bytes != kMagic) {
    fail(ErrorCode::kFormat, path, "offset 0: a pickle, but not one of PyTorch");
  }
  const std::int64_t* version = std::get_if<std::int64_t>(&protocol);
  if (version == nullptr || *version != kProtocol) {
    fail(ErrorCode::kUnsupported, path, "a PyTorch file of another protocol than {}", kProtocol);
  }
  const Object* facts = as(machine, Kind::kDict);
  for (std::size_t i = 0; facts != nullptr && i < facts->items.size(); i += 2) {
    const std::string_view* key = as_text(facts->items[i]);
    const bool* value = std::get_if<bool>(&facts->items[i + 1]);
    if (key == nullptr || *key != "little_endian" || value == nullptr) continue;
    if (!*value)
      fail(ErrorCode::kUnsupported, path,
           "written on a big-endian machine, whose files are not read: load and save it in PyTorch on this one");
    return;
  }
  fail(ErrorCode::kFormat, path, "does not say its byte order");
}

// The storages that the object refers to. Views of one storage repeat its id.
Storages find_storages(const pickle::Pickle& object, const std::string& path, MemoryBudget& budget) {
  Storages storages;
  for (const Object& candidate : object.objects) {
    if (candidate.kind != Kind::kPersistent) continue;
    const StorageId id = parse_storage_id(candidate, path);
    const auto [place, fresh] = storages.try_emplace(id.key, Storage{id, false, {}});
    if (fresh) budget.charge(sizeof(Storages::value_type) + 48, "storages");
    const StorageId& first = place->second.id;
    if (id.element_size() == 0) {
      fail(ErrorCode::kUnsupported, path, "storage '{}' is of the class {}.{}, whose size is not known",
           one_line(id.key), one_line(id.type->module), one_line(id.type->name));
    }
    if (first.count != id.count || first.element_size() != id.element_size()) {
      fail(ErrorCode::kFormat, path, "storage '{}' is described in two ways", one_line(id.key));
    }
  }
  return storages;
}

// Finds the bytes of each storage; returns the offset behind the last.
void read_storages(ByteReader& reader, const Object& keys, Storages& storages, const std::string& path) {
  for (const Value& value : keys.items) {
    const std::string_view* key = as_text(value);
    const auto place = key == nullptr ? storages.end() : storages.find(*key);
    if (place == storages.end() || std::exchange(place->second.read, true)) {
      fail(ErrorCode::kFormat, path, "offset {}: a storage that no tensor names, or one twice", reader.position());
    }
    Storage& storage = place->second;
    const std::size_t at = reader.position();
    if (const auto count = reader.number<std::uint64_t>(); count != storage.id.count) {
      fail(ErrorCode::kFormat, path, "offset {}: storage '{}' has {} elements instead of {}", at, one_line(*key), count,
           storage.id.count);
    }
    if (storage.id.count * storage.id.element_size() > reader.left()) {
      fail(ErrorCode::kFormat, path, "offset {}: storage '{}' is cut off: was the download cut short?",
           reader.position(), one_line(*key));
    }
    storage.bytes = reader.skip(storage.id.count * storage.id.element_size());
  }
  if (reader.left() != 0) {
    fail(ErrorCode::kFormat, path, "offset {}: {} bytes after the last storage", reader.position(), reader.left());
  }
}

// The whole stream: its object, and the places of the storages that it refers to.
struct Stream {
  OwnedBytes bytes;
  pickle::Pickle object;
  Storages storages;

  OwnedBytes storage(std::string_view key, const std::string& path) const {
    const Storage& storage = storages.at(key);
    if (!storage.read) fail(ErrorCode::kFormat, path, "storage '{}' is missing", one_line(key));
    return {storage.bytes, bytes.owner};
  }
};

Stream read_stream(const OwnedBytes& bytes, const std::string& path, MemoryBudget& budget) {
  const auto read_at = [&](std::size_t begin) {
    return pickle::read_pickle(bytes.reader(path, begin), budget, pickle::Unknown::kKeep);
  };
  const pickle::Pickle magic = read_at(0);
  const pickle::Pickle protocol = read_at(magic.end);
  const pickle::Pickle machine = read_at(protocol.end);
  check_head(magic.root, protocol.root, machine.root, path);
  Stream stream = {bytes, read_at(machine.end), {}};
  const pickle::Pickle keys = read_at(stream.object.end);
  const Object* list = as(keys.root, Kind::kList);
  if (list == nullptr) fail(ErrorCode::kFormat, path, "offset {}: no list of storages", stream.object.end);
  stream.storages = find_storages(stream.object, path, budget);
  ByteReader reader = bytes.reader(path, keys.end);
  read_storages(reader, *list, stream.storages, path);
  return stream;
}

}  // namespace

TensorFile read_torch_legacy(const std::shared_ptr<const CheckedFile>& file, const std::string& path,
                             const std::shared_ptr<MemoryBudget>& budget) {
  const Stream stream = read_stream({file->range(), file}, path, *budget);
  TensorFile result;
  result.format = "torch-legacy";
  const auto storage = [&](const StorageId& id) { return stream.storage(id.key, path); };
  const TorchTensors tensors(storage, stream.bytes, budget);
  read_tree({stream.object, stream.bytes, tensors, path, budget}, result);
  return result;
}

bool looks_like_torch_legacy(std::span<const std::byte> bytes) noexcept {
  constexpr std::size_t kMostBefore = 13;  // PROTO, FRAME and LONG1, before the number
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.starts_with('\x80') && text.substr(0, kMostBefore + kMagic.size()).find(kMagic) != std::string_view::npos;
}

LoneStorage read_lone_storage(const OwnedBytes& stream, const std::string& where,
                              const std::shared_ptr<MemoryBudget>& budget) {
  const Stream read = read_stream(stream, where, *budget);
  const Object* persistent = as(read.object.root, Kind::kPersistent);
  if (persistent == nullptr) fail(ErrorCode::kFormat, where, "has no storage");
  const StorageId id = parse_storage_id(*persistent, where);
  if (id.type->role != GlobalRole::kStorage) {
    fail(ErrorCode::kUnsupported, where, "its values are of the type {}.{}, which is not read",
         one_line(id.type->module), one_line(id.type->name));
  }
  OwnedBytes bytes = read.storage(id.key, where);
  bytes.bytes = bytes.bytes.subspan(id.view_begin * id.element_size(), id.view_count * id.element_size());
  return {id.dtype().value_or(DType::kU8), bytes};
}

}  // namespace resnet
