// Tar archives, plain and compressed: no input may crash, hang or take memory beyond what it holds.
#include <algorithm>
#include <cstring>
#include <memory>

#include "dataset/decompressors.h"
#include "formats/tar.h"
#include "resnet/error.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::span<const unsigned char> rest(data, size);
  const auto refill = [rest](std::span<std::byte> out) mutable {
    const std::size_t count = std::min(out.size(), rest.size());
    if (count > 0) std::memcpy(out.data(), rest.data(), count);
    rest = rest.subspan(count);
    return count;
  };
  try {
    resnet::TarReader tar(resnet::ByteStream(refill, "fuzz", {}, resnet::any_decompressor));
    while (const auto entry = tar.next()) {
      if (entry->size % 2 == 0) tar.read(1U << 20);
    }
  } catch (const resnet::Error&) {  // what bad input is told
  }
  return 0;
}
