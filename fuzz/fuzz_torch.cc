// Any bytes as a torch file: refused with an Error, or tensors whose every byte can be read.
#include "formats/torch_file.h"
#include "fuzz_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return resnet::fuzz_reader(data, size, resnet::read_torch_file);
}
