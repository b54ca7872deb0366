#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "formats/safetensors.h"

namespace resnet {
namespace {

std::string quoted(const std::string& text, const std::string& path) {
  if (valid_utf8_prefix(text) != text.size()) {
    fail(ErrorCode::kInvalidArgument, path, "'{}' is not UTF-8", one_line(text));
  }
  std::string result = nlohmann::json(text).dump();
  if (result.size() > kMaxSafetensorsString - 16) {  // blanks and punctuation around it count too
    fail(ErrorCode::kLimit, path, "'{}' is longer than a header may hold", one_line(text));
  }
  return result;
}

// Indices of the tensors in the order of their bytes: widest type first.
std::vector<std::size_t> data_order(const StateDict& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto width = [&](std::size_t i) { return size_in_bytes(tensors.begin()[i].second.dtype()); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return width(a) > width(b); });
  return order;
}

std::string make_header(const StateDict& tensors, const std::vector<std::size_t>& order,
                        const std::map<std::string, std::string>& metadata, const std::string& path) {
  std::vector<std::size_t> offsets(tensors.size());
  std::size_t end = 0;
  for (const std::size_t i : order) {
    offsets[i] = end;
    end += tensors.begin()[i].second.nbytes();
  }

  std::string header = "{";
  if (!metadata.empty()) {
    header += R"("__metadata__":{)";
    for (const auto& [key, value] : metadata) {
      header += quoted(key, path) + ":" + quoted(value, path) + ",";
    }
    header.back() = '}';
    header += ",";
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors.begin()[i];
    if (name == "__metadata__") fail(ErrorCode::kInvalidArgument, path, "a tensor cannot be named '__metadata__'");
    header += fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}},)", quoted(name, path),
                          resnet::name(tensor.dtype()), fmt::join(tensor.shape(), ","), offsets[i],
                          offsets[i] + tensor.nbytes());
  }
  if (header.size() > 1) header.pop_back();
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');  // the data starts at a multiple of 8
  if (header.size() > kMaxSafetensorsHeader) {
    fail(ErrorCode::kLimit, path, "a header of {} bytes, more than {}", header.size(), kMaxSafetensorsHeader);
  }
  return header;
}

}  // namespace

void write_safetensors(const StateDict& tensors, const std::map<std::string, std::string>& metadata,
                       const std::string& path) {
  const std::vector<std::size_t> order = data_order(tensors);
  const std::string header = make_header(tensors, order, metadata, path);
  const std::uint64_t header_size = header.size();

  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&header_size, 1)));
  file.write(header);
  for (const std::size_t i : order) file.write(tensors.begin()[i].second.in_memory().bytes());
  file.commit();
}

}  // namespace resnet
