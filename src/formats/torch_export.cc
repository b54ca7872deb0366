#include "formats/torch_export.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_values.h"
#include "formats/tensor_window.h"
#include "formats/torch_file.h"

namespace resnet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 2> kOldWeights = {"serialized_state_dict.pt", "serialized_state_dict.json"};
constexpr std::string_view kWeights = "data/weights/";
constexpr std::string_view kConstants = "data/constants/";
constexpr std::string_view kConfig = "_config.json";

std::string_view export_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// torch._export.serde.schema.ScalarType; nothing for types that are no DType.
std::optional<DType> dtype_of(std::int64_t type) {
  switch (type) {
    case 1: return DType::kU8;
    case 2: return DType::kI8;
    case 3: return DType::kI16;
    case 4: return DType::kI32;
    case 5: return DType::kI64;
    case 6: return DType::kF16;
    case 7: return DType::kF32;
    case 8: return DType::kF64;
    case 12: return DType::kBool;
    case 13: return DType::kBF16;
    case 28: return DType::kU16;
    default: return std::nullopt;
  }
}

class ExportReader {
 public:
  ExportReader(const ZipArchive& archive, const std::string& path, const std::shared_ptr<MemoryBudget>& budget)
      : archive_(archive), path_(path), budget_(budget) {}

  TensorFile read() {
    result_.format = "torch-export";
    for (const ZipEntry& entry : archive_.entries()) {
      const std::size_t slash = entry.name.find('/');
      if (slash == std::string_view::npos) continue;
      const std::string_view name = entry.name.substr(slash + 1);  // without the archive's folder
      if (name.starts_with(kWeights) && name.ends_with(kConfig)) read_weights(entry, kWeights.size(), slash + 1, "");
      if (name.starts_with(kConstants) && name.ends_with(kConfig)) {
        read_weights(entry, kConstants.size(), slash + 1, "constants.");
      }
      if (name.starts_with("models/") && name.ends_with(".json")) {
        if (entry.size > kMaxTextFile) {
          result_.opaque.push_back({std::string(name), "text", "is too large"});
          continue;
        }
        const OwnedBytes bytes = archive_.read(entry, *budget_);
        add_json(result_, std::string(name), export_text(bytes.load()), place(entry), *budget_);
      }
    }
    if (!result_.tensors.empty()) result_.containers.push_back({"", "dict", result_.tensors.size()});
    return std::move(result_);
  }

 private:
  std::string place(const ZipEntry& entry) const { return fmt::format("{}: entry '{}'", path_, one_line(entry.name)); }

  // The tensors of a configuration, whose bytes stand in the folder of the first `folder` bytes of its name behind
  // `begin`.
  void read_weights(const ZipEntry& entry, std::size_t folder, std::size_t begin, const std::string& prefix) {
    constexpr std::size_t kTreeBytes = 40;  // of memory that a byte of JSON may take
    budget_->charge(kTreeBytes * entry.size, "the names of tensors");
    const OwnedBytes bytes = archive_.read(entry, *budget_);
    const Json json = Json::parse(export_text(bytes.load()), nullptr, /*allow_exceptions=*/false);
    const auto config = json.is_object() ? json.find("config") : json.end();
    if (!json.is_object() || config == json.end() || !config->is_object()) malformed(entry);
    const std::string_view where = entry.name.substr(0, begin + folder);
    for (const auto& [name, description] : config->items()) {
      read_tensor(entry, std::string(where), prefix + name, description);
    }
  }

  [[noreturn]] void malformed(const ZipEntry& entry) const {
    fail(ErrorCode::kFormat, place(entry), "not the names of tensors that torch.export writes");
  }

  void read_tensor(const ZipEntry& config, const std::string& folder, const std::string& name,
                   const Json& description) {
    const auto meta = description.is_object() ? description.find("tensor_meta") : description.end();
    const auto path_name = description.is_object() ? description.find("path_name") : description.end();
    if (!description.is_object() || path_name == description.end() || !path_name->is_string()) malformed(config);
    const auto pickled = description.find("use_pickle");
    if (pickled != description.end() && pickled->is_boolean() && pickled->get<bool>()) {
      return add_odd(name, "is pickled by itself");
    }
    if (meta == description.end() || !meta->is_object()) return add_odd(name, "is no plain tensor");
    const auto type = meta->find("dtype");
    if (type == meta->end() || !type->is_number_integer()) malformed(config);
    const auto dtype = dtype_of(type->get<std::int64_t>());
    if (!dtype) return add_odd(name, "its values are of a type that is not read");
    TensorWindow window;
    window.dtype = *dtype;
    const auto offset = number(meta->value("storage_offset", Json()));
    if (!offset || !numbers(meta->value("sizes", Json()), window.sizes) ||
        !numbers(meta->value("strides", Json()), window.strides) || window.sizes.size() != window.strides.size()) {
      malformed(config);
    }
    window.offset = static_cast<std::uint64_t>(*offset);
    const ZipEntry* stored = archive_.find(folder + path_name->get<std::string>());
    const std::string where = fmt::format("{}: tensor '{}'", path_, one_line(name));
    if (stored == nullptr) fail(ErrorCode::kFormat, where, "its values are missing");
    budget_->charge(512, "tensors");
    add_tensor(result_, name, open_window(window, archive_.defer(*stored, budget_), budget_, where), path_, *budget_);
  }

  void add_odd(const std::string& name, const char* why) { result_.opaque.push_back({name, "torch.Tensor", why}); }

  // {"as_int": 3}, not negative.
  static std::optional<std::int64_t> number(const Json& json) {
    const auto value = json.is_object() ? json.find("as_int") : json.end();
    if (!json.is_object() || value == json.end() || !value->is_number_integer()) return std::nullopt;
    const auto found = value->get<std::int64_t>();
    return found < 0 ? std::nullopt : std::optional(found);
  }

  static bool numbers(const Json& json, Shape& out) {
    if (!json.is_array() || json.size() > kMaxTensorRank) return false;
    for (const Json& item : json) {
      const auto value = number(item);
      if (!value) return false;
      out.push_back(*value);
    }
    return true;
  }

  const ZipArchive& archive_;
  const std::string& path_;
  const std::shared_ptr<MemoryBudget>& budget_;
  TensorFile result_;
};

const ZipEntry* find_old_weights(const ZipArchive& archive) noexcept {
  for (const std::string_view name : kOldWeights) {
    if (const ZipEntry* entry = archive.find(name)) return entry;
  }
  return nullptr;
}

}  // namespace

bool looks_like_torch_export(const ZipArchive& archive) noexcept {
  return find_old_weights(archive) != nullptr || std::ranges::any_of(archive.entries(), [](const ZipEntry& entry) {
           return entry.name.ends_with(kConfig) && entry.name.find(kWeights) != std::string_view::npos;
         });
}

TensorFile read_torch_export(const ZipArchive& archive, const std::string& path,
                             const std::shared_ptr<MemoryBudget>& budget) {
  const ZipEntry* old = find_old_weights(archive);
  if (old == nullptr) return ExportReader(archive, path, budget).read();
  const OwnedBytes bytes = archive.read(*old, *budget);
  budget->charge(bytes.bytes.size(), "the state dict");
  TensorFile result = read_torch_save(CheckedFile::from_bytes(bytes.load()), path);
  result.format = "torch-export";
  return result;
}

}  // namespace resnet
