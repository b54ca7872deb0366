// Any bytes as the names of tensors in a program of torch.export. In a zip archive a checksum keeps the fuzzer away
// from them.
#include "formats/test_archives.h"
#include "formats/torch_file.h"
#include "fuzz_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string json(reinterpret_cast<const char*>(data), size);
  const std::string file = resnet::test::archive({{.name = "m/data/weights/model_weights_config.json", .data = json},
                                                  {.name = "m/data/weights/weight_0", .data = std::string(64, 'w')},
                                                  {.name = "m/models/model.json", .data = json}});
  return resnet::fuzz_reader(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), resnet::read_torch_file);
}
