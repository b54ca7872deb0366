// Any bytes as a data set's archive: refused with an Error, or pictures whose bytes can all be read, the same ones
// whether they are kept in memory or read again.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "dataset/dataset.h"
#include "dataset/image_set.h"
#include "resnet/error.h"

namespace {

// Writes the bytes to a file in memory and gives its path.
std::string file_of(const unsigned char* data, std::size_t size) {
  static const int file = memfd_create("fuzz", 0);
  if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  return "/proc/self/fd/" + std::to_string(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string path = file_of(data, size);
  std::vector<std::vector<std::byte>> streamed;
  try {
    const resnet::Dataset dataset = resnet::Dataset::open(path, {"", "", /*classes=*/false});
    for (const auto source = dataset.items(); auto item = source->next();) {
      if (item->bytes) streamed.push_back(std::move(*item->bytes));
    }
    static_cast<void>(dataset.items(3)->next());
  } catch (const resnet::Error&) {  // what bad input is told
  }
  try {
    const auto images = resnet::ImageSet::open(path, {.max_memory = 16U << 20});
    for (std::size_t i = 0; i < images.size(); ++i) {
      const resnet::FileBytes file = images.read(i);
      if (i < streamed.size() &&
          !std::equal(file.bytes.begin(), file.bytes.end(), streamed[i].begin(), streamed[i].end()))
        std::abort();
      if (images.label(i) < 0 || images.label(i) >= static_cast<std::int64_t>(images.classes().size())) std::abort();
    }
  } catch (const resnet::Error&) {
  }
  return 0;
}
