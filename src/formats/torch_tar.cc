#include "formats/torch_tar.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "formats/pickle.h"
#include "formats/pickled_tree.h"
#include "formats/tar.h"
#include "formats/tensor_window.h"
#include "formats/torch_tensors.h"

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Value;

constexpr std::size_t kRecord = 256;  // bytes of memory that a storage or a tensor may take beside its values

// The archive's entries in the file. Nothing of the file is kept in memory for it.
std::map<std::string, OwnedBytes> find_entries(const std::shared_ptr<const CheckedFile>& file,
                                               const std::string& path) {
  std::size_t at = 0;
  const auto refill = [&](std::span<std::byte> out) {
    const std::size_t count = std::min(out.size(), file->size() - at);
    file->copy(file->range().subspan(at, count), out.first(count));
    at += count;
    return count;
  };
  const auto leap = [&](std::uint64_t count) -> std::uint64_t {
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(count, file->size() - at));
    at += step;
    return step;
  };
  TarReader reader(ByteStream(refill, path, leap));
  std::map<std::string, OwnedBytes> entries;
  while (const std::optional<TarEntry> entry = reader.next()) {
    if (entry->path != "storages" && entry->path != "tensors" && entry->path != "pickle") continue;
    if (entry->kind != TarEntry::Kind::kFile || reader.data_offset() > file->size() ||
        entry->size > file->size() - reader.data_offset()) {
      fail(ErrorCode::kFormat, path, "entry '{}': reaches beyond the file", entry->path);
    }
    entries[entry->path] = {file->range().subspan(reader.data_offset(), entry->size), file};
  }
  if (entries.size() != 3) {
    fail(ErrorCode::kFormat, path, "a tar archive, but none that PyTorch 0.1 wrote: unpack it and give a file in it");
  }
  return entries;
}

struct TarStorage {
  const Global* type = nullptr;  // one of torch_globals.h
  OwnedBytes bytes;
};

class TarFile {
 public:
  TarFile(const std::string& path, const std::shared_ptr<MemoryBudget>& budget) : path_(path), budget_(budget) {}

  void read_storages(const OwnedBytes& bytes) {
    Stream stream(*this, bytes, "storages");
    for (std::int64_t left = stream.number(); left > 0; --left) {
      const pickle::Pickle record = stream.pickle();
      const Object& fields = tuple(record.root, 3, "storages");  // key, place, class
      const Global* const* type = std::get_if<const Global*>(&fields.items[2]);
      if (type == nullptr) malformed("storages");
      const std::size_t element = storage_element_size(**type);
      if (element == 0) {
        fail(ErrorCode::kUnsupported, path_, "a storage of the class {}.{}, whose size is not known",
             one_line((*type)->module), one_line((*type)->name));
      }
      const auto count = stream.reader.number<std::uint64_t>();
      if (count > stream.reader.left() / element) malformed("storages");
      add_storage(integer(fields.items[0], "storages"), {*type, stream.take(count * element)});
    }
    const pickle::Pickle views = stream.pickle();
    const Object* list = pickle::as(views.root, Kind::kList);
    if (list == nullptr) malformed("storages");
    for (const Value& value : list->items) {
      const Object& view = tuple(value, 4, "storages");  // key, the key of the whole, offset, count
      TarStorage storage = storage_at(integer(view.items[1], "storages"));
      const std::uint64_t element = storage_element_size(*storage.type);
      const auto offset = static_cast<std::uint64_t>(integer(view.items[2], "storages"));
      const auto count = static_cast<std::uint64_t>(integer(view.items[3], "storages"));
      const std::uint64_t whole = storage.bytes.bytes.size() / element;
      if (offset > whole || count > whole - offset) malformed("storages");
      storage.bytes.bytes = storage.bytes.bytes.subspan(offset * element, count * element);
      add_storage(integer(view.items[0], "storages"), storage);
    }
    stream.end();
  }

  void read_tensors(const OwnedBytes& bytes) {
    Stream stream(*this, bytes, "tensors");
    for (std::int64_t left = stream.number(); left > 0; --left) {
      const pickle::Pickle record = stream.pickle();
      const Object& fields = tuple(record.root, 3, "tensors");  // key, the storage's key, class
      Record tensor;
      tensor.storage = integer(fields.items[1], "tensors");
      const auto rank = stream.reader.number<std::uint64_t>();
      if (rank > kMaxTensorRank) malformed("tensors");
      for (Shape* numbers : {&tensor.window.sizes, &tensor.window.strides}) {
        for (std::uint64_t i = 0; i < rank; ++i) numbers->push_back(stream.size());
      }
      tensor.window.offset = static_cast<std::uint64_t>(stream.size());
      budget_->charge(kRecord + 16 * rank, "tensors");
      if (!tensors_.emplace(integer(fields.items[0], "tensors"), std::move(tensor)).second) malformed("tensors");
    }
    stream.end();
  }

  // The tensor that a persistent id in the object refers to.
  Tensor tensor(const Object& persistent, const std::string& where) const {
    const auto found = persistent.items.size() == 1 ? tensors_.find(key_of(persistent.items[0])) : tensors_.end();
    if (found == tensors_.end()) fail(ErrorCode::kFormat, where, "refers to no tensor of the file");
    const TarStorage& storage = storage_at(found->second.storage);
    if (storage.type->role != GlobalRole::kStorage) {
      fail(ErrorCode::kUnsupported, where, "its values are of the type {}.{}, which is not read", storage.type->module,
           storage.type->name);
    }
    TensorWindow window = found->second.window;
    window.dtype = storage.type->dtype.value_or(DType::kU8);
    return open_window(window, storage.bytes, budget_, where);
  }

 private:
  struct Record {
    std::int64_t storage = 0;
    TensorWindow window;
  };

  // An entry that is read from its beginning to its end.
  struct Stream {
    const TarFile& file;
    const char* name;
    OwnedBytes bytes;
    ByteReader reader;

    Stream(const TarFile& tar, const OwnedBytes& entry, const char* entry_name)
        : file(tar), name(entry_name), bytes(entry), reader(entry.reader(tar.path_ + ": " + entry_name)) {}

    pickle::Pickle pickle() {
      pickle::Pickle result = pickle::read_pickle(reader, *file.budget_, pickle::Unknown::kKeep);
      reader.skip(result.end - reader.position());
      return result;
    }
    std::int64_t number() { return file.integer(pickle().root, name); }
    std::int64_t size() {
      const auto value = reader.number<std::int64_t>();
      if (value < 0) file.malformed(name);
      return value;
    }
    OwnedBytes take(std::size_t count) { return {reader.skip(count), bytes.owner}; }
    void end() const {
      if (reader.left() != 0) fail(ErrorCode::kFormat, reader.where(), "{} bytes at its end", reader.left());
    }
  };

  [[noreturn]] void malformed(const char* entry) const {
    fail(ErrorCode::kFormat, path_, "entry '{}': not as PyTorch 0.1 wrote it", entry);
  }

  const Object& tuple(const Value& value, std::size_t size, const char* entry) const {
    const Object* fields = pickle::as(value, Kind::kTuple);
    if (fields == nullptr || fields->items.size() != size) malformed(entry);
    return *fields;
  }

  std::int64_t integer(const Value& value, const char* entry) const {
    const auto* number = std::get_if<std::int64_t>(&value);
    if (number == nullptr || *number < 0) malformed(entry);
    return *number;
  }

  // A key is a number, or its digits as text; -1 for other values.
  static std::int64_t key_of(const Value& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
    const std::string_view* text = pickle::as_text(value);
    std::int64_t key = -1;
    if (text != nullptr) std::from_chars(text->data(), text->data() + text->size(), key);
    return key;
  }

  void add_storage(std::int64_t key, TarStorage storage) {
    budget_->charge(kRecord, "storages");
    if (!storages_.emplace(key, std::move(storage)).second) malformed("storages");
  }

  const TarStorage& storage_at(std::int64_t key) const {
    const auto found = storages_.find(key);
    if (found == storages_.end()) fail(ErrorCode::kFormat, path_, "storage {} is missing", key);
    return found->second;
  }

  const std::string& path_;
  const std::shared_ptr<MemoryBudget>& budget_;
  std::unordered_map<std::int64_t, TarStorage> storages_;
  std::unordered_map<std::int64_t, Record> tensors_;
};

}  // namespace

TensorFile read_torch_tar(const std::shared_ptr<const CheckedFile>& file, const std::string& path,
                          const std::shared_ptr<MemoryBudget>& budget) {
  const std::map<std::string, OwnedBytes> entries = find_entries(file, path);
  TarFile tar(path, budget);
  tar.read_storages(entries.at("storages"));
  tar.read_tensors(entries.at("tensors"));
  const OwnedBytes& bytes = entries.at("pickle");
  const pickle::Pickle object = pickle::read_pickle(bytes.reader(path + ": pickle"), *budget, pickle::Unknown::kKeep);
  const auto no_storage = [&](const StorageId& /*id*/) -> OwnedBytes {
    fail(ErrorCode::kFormat, path, "a tensor names a storage that is not in it");
  };
  TensorFile result;
  result.format = "torch-tar";
  const TorchTensors tensors(no_storage, bytes, budget);
  const auto outside = [&](const Object& id, const std::string& where) { return tar.tensor(id, where); };
  read_tree({object, bytes, tensors, path, budget, outside}, result);
  return result;
}

}  // namespace resnet
