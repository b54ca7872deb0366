// Any bytes as a file of pickle.dump() or joblib.dump(): storages and arrays lie in it.
#include "formats/plain_pickle.h"
#include "fuzz_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return resnet::fuzz_reader(data, size, [](const auto& file, const std::string& path) {
    const auto budget = std::make_shared<resnet::MemoryBudget>(file->size(), path);
    const resnet::OwnedBytes bytes = {file->range(), file};
    if (resnet::looks_like_zlib(file->range())) return resnet::read_packed_pickle(bytes, path, budget);
    return resnet::read_plain_pickle(bytes, path, budget);
  });
}
