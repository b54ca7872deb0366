// Any bytes as an array in an archive of NumPy, stored and deflated. In a zip archive a checksum keeps the fuzzer away
// from them.
#include "formats/test_archives.h"
#include "formats/torch_file.h"
#include "fuzz_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string entry(reinterpret_cast<const char*>(data), size);
  const std::string file =
      resnet::test::archive({{.name = "a.npy", .data = entry}, {.name = "b.npy", .data = entry, .deflate = true}});
  return resnet::fuzz_reader(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), resnet::read_torch_file);
}
