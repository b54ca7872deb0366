// loader_bench DATA SIZE RESIZE BATCH THREADS SECONDS [DECODED_MIB]: images per second of the training loader, decoding
// and augmentation included. With RESIZE 0: pad-and-crop and flip; else random resized crop and flip. The first ten
// batches are not counted.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "dataset/loader.h"
#include "resnet/error.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

resnet::LoaderOptions options_of(char** argv, bool decoded) {
  resnet::LoaderOptions options;
  options.preprocessing.height = options.preprocessing.width = std::atoi(argv[2]);
  options.preprocessing.resize = std::atoi(argv[3]);
  options.augmentation.emplace().flip = 0.5;
  if (options.preprocessing.resize == 0) {
    options.augmentation->padded_crop.emplace();
  } else {
    options.augmentation->resized_crop.emplace();
  }
  options.batch = std::strtoul(argv[4], nullptr, 10);
  options.threads = std::atoi(argv[5]);
  if (decoded) options.decoded_memory = std::strtoul(argv[7], nullptr, 10) << 20;
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7 || argc > 8) return 2;
  try {
    resnet::Loader loader(resnet::ImageSet::open(argv[1]), options_of(argv, argc == 8));
    const double limit = std::atof(argv[6]);
    constexpr int kWarmUp = 10;
    Clock::time_point start;
    std::size_t images = 0;
    for (int batch = 0; batch <= kWarmUp || seconds_since(start) < limit; ++batch) {
      auto next = loader.next();
      while (!next) next = loader.next();  // the epoch is over
      if (batch == kWarmUp) start = Clock::now();
      if (batch > kWarmUp) images += next->size;
    }
    fmt::print("{:.1f}\n", static_cast<double>(images) / seconds_since(start));
  } catch (const resnet::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
