// Any bytes as the pickle of a torch file whose storages hold whatever is asked of them. In a zip archive a checksum
// keeps the fuzzer away from it.
#include <vector>

#include "base/error.h"
#include "formats/pickle.h"
#include "formats/torch_tensors.h"
#include "fuzz_tensors.h"

namespace {

resnet::OwnedBytes storage(const resnet::StorageId& id) {
  constexpr std::size_t kMaxSize = 4096;
  const std::size_t size = id.count * id.element_size();
  if (size > kMaxSize) resnet::fail(resnet::ErrorCode::kFormat, "file", "storage too large");
  auto memory = std::make_shared<std::vector<std::byte>>(size);
  return {*memory, memory};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(data),
                                     reinterpret_cast<const std::byte*>(data) + size);
  try {
    resnet::MemoryBudget budget(size, "file");
    const resnet::pickle::Pickle pickle = resnet::pickle::read_pickle(bytes, 0, "file", budget);
    resnet::TensorFile file;
    resnet::read_state_dict(pickle.root, storage, "file", budget, file);
    resnet::touch(file);
  } catch (const resnet::Error& error) {
    resnet::check_error(error);
  }
  return 0;
}
