// Any bytes as the pickle of a torch file whose storages hold whatever is asked of them. In a zip archive a checksum
// keeps the fuzzer away from it.
#include <vector>

#include "base/error.h"
#include "formats/pickle.h"
#include "formats/pickled_tree.h"
#include "fuzz_tensors.h"

namespace {

resnet::OwnedBytes storage(const resnet::StorageId& id) {
  constexpr std::size_t kMaxSize = 4096;
  if (id.count > kMaxSize) resnet::fail(resnet::ErrorCode::kFormat, "file", "storage too large");
  auto memory = std::make_shared<std::vector<std::byte>>(id.count * id.element_size());
  return {*memory, memory};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(data),
                                     reinterpret_cast<const std::byte*>(data) + size);
  try {
    const auto budget = std::make_shared<resnet::MemoryBudget>(size, "file");
    const resnet::pickle::Pickle pickle =
        resnet::pickle::read_pickle(bytes, 0, "file", *budget, resnet::pickle::Unknown::kKeep);
    const resnet::TorchTensors tensors(storage, {bytes, nullptr}, budget);
    resnet::TensorFile file;
    resnet::read_tree({pickle, {bytes, nullptr}, tensors, "file", budget}, file);
    resnet::touch(file);
  } catch (const resnet::Error& error) {
    resnet::check_error(error);
  }
  return 0;
}
