// Any bytes as an architecture, taken two ways: as the JSON of a model file's metadata, and as values for the rows of
// the table of fields. Either is refused with an Error, or it is a network that expands, and that its own JSON gives
// back.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "arch/schema.h"
#include "base/error.h"
#include "fuzz_tensors.h"
#include "resnet/graph.h"
#include "weights/metadata.h"

namespace {

using namespace resnet;

void check(const Architecture& architecture) {
  const Graph graph = expand(architecture);
  require(graph.output().out_channels == architecture.outputs());
  require(!parameters(graph).empty());
  const Metadata metadata = {{kArchitectureKey, to_json(architecture).dump()}};
  require(read_architecture(metadata, "file") == architecture);
}

// The bytes, one after the other; zeros behind the last.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  int byte() { return at_ == end_ ? 0 : *at_++; }
  int number() { return (byte() - 8) << (byte() % 24); }  // small ones, and some that are out of any range
  FieldValue value(const ArchitectureField& field) {
    const FieldValue usual = get(field, Architecture());
    if (std::holds_alternative<bool>(usual)) return byte() % 2 == 1;
    if (std::holds_alternative<int>(usual)) return number();
    if (std::holds_alternative<double>(usual)) return number() / 1024.0;
    if (is_choice(field)) {
      const auto index = static_cast<std::size_t>(byte());
      return index < choices(field).size() ? std::string(choices(field)[index]) : "other";
    }
    std::vector<int> numbers(static_cast<std::size_t>(byte() % 10));
    for (int& each : numbers) each = number();
    return numbers;
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    check(*read_architecture({{kArchitectureKey, text}}, "file"));
  } catch (const Error& error) {
    check_error(error);
  }
  Bytes bytes(data, size);
  ArchitectureChanges changes;
  try {
    for (const ArchitectureField& field : architecture_fields()) {
      if (bytes.byte() % 2 == 1) set(field, changes, bytes.value(field));
    }
    const Architecture architecture = choose("", changes);
    validate(architecture);
    check(architecture);
  } catch (const Error& error) {
    require(std::string_view(error.what()).find('\n') == std::string_view::npos);
  }
  return 0;
}
