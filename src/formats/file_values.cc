#include "formats/file_values.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"

namespace resnet {
namespace {

void add_value(TensorFile& file, std::string name, std::string json, MemoryBudget& budget) {
  constexpr std::size_t kEntry = 128;
  budget.charge(name.size() + json.size() + kEntry, "values of a file");
  file.values.insert_or_assign(std::move(name), std::move(json));
}

bool is_too_long(TensorFile& file, const std::string& name, std::string_view text) {
  if (text.size() <= kMaxTextFile) return false;
  file.opaque.push_back({name, "text", "is too large"});
  return true;
}

}  // namespace

void add_tensor(TensorFile& file, std::string name, Tensor tensor, const std::string& path, MemoryBudget& budget) {
  if (file.tensors.contains(name)) {
    fail(ErrorCode::kFormat, fmt::format("{}: tensor '{}'", path, one_line(name)), "is there twice");
  }
  budget.charge(2 * sizeof(StateDict::Entry) + name.size() + 8 * tensor.shape().size(), "tensors");
  file.tensors.add(std::move(name), std::move(tensor));
}

void add_text(TensorFile& file, std::string name, std::string_view text, MemoryBudget& budget) {
  if (!is_too_long(file, name, text)) add_value(file, std::move(name), json_string(text), budget);
}

void add_json(TensorFile& file, std::string name, std::string_view json, const std::string& where,
              MemoryBudget& budget) {
  if (is_too_long(file, name, json)) return;
  if (!nlohmann::json::accept(json)) fail(ErrorCode::kFormat, where, "is not JSON");
  add_value(file, std::move(name), std::string(json), budget);
}

}  // namespace resnet
