// Any bytes as the three entries of a file of PyTorch 0.1. In a tar archive a checksum keeps the fuzzer away from them:
// the first four bytes say how long the first two entries are.
#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "formats/torch_file.h"
#include "fuzz_tensors.h"

namespace {

std::string tar_entry(const char* name, std::string_view data) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  put(0, name);
  put(100, "0000644");
  put(124, fmt::format("{:011o}", data.size()));
  put(148, "        ");
  put(156, "0");
  put(257, "ustar");
  put(263, "00");
  unsigned sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  put(148, fmt::format("{:06o}", sum));
  return block + std::string(data) + std::string((512 - data.size() % 512) % 512, '\0');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 4, size - 4);
  const auto take = [&](std::size_t count) {
    const std::string_view part = rest.substr(0, count);
    rest.remove_prefix(part.size());
    return part;
  };
  const std::string storages = tar_entry("storages", take(data[0] | std::size_t{data[1]} << 8));
  const std::string tensors = tar_entry("tensors", take(data[2] | std::size_t{data[3]} << 8));
  const std::string file = storages + tensors + tar_entry("pickle", rest) + std::string(1024, '\0');
  return resnet::fuzz_reader(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), resnet::read_torch_file);
}
