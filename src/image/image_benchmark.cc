// Times decoding, resizing, cropping and normalising on one thread: `image_benchmark FILE...` reads the files, turns
// each into the tensor of the torchvision preset and prints the milliseconds of processor time that one took on
// average.
// tests/reference/image_speed.py runs it beside Pillow.
#include <fmt/format.h>

#include <ctime>
#include <memory>

#include "base/file.h"
#include "resnet/error.h"
#include "resnet/preprocessing.h"

namespace {

int run(int count, char** paths) {
  std::vector<std::vector<std::byte>> files;
  unsigned touched = 0;
  for (int i = 0; i < count; ++i) {
    files.push_back(resnet::read_file(paths[i]));
    for (const std::byte byte : files.back()) touched += std::to_integer<unsigned>(byte);
  }
  const resnet::Preprocessing how = resnet::preset("torchvision");
  std::vector<float> tensor(3 * static_cast<std::size_t>(how.height) * static_cast<std::size_t>(how.width));
  resnet::load_input(files[0], paths[0], how, tensor);
  const std::clock_t begin = std::clock();
  for (int i = 0; i < count; ++i) resnet::load_input(files[static_cast<std::size_t>(i)], paths[i], how, tensor);
  const double milliseconds = 1e3 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  fmt::print("{:.4f} ms a picture ({} pictures, {:x})\n", milliseconds / count, count, touched);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: image_benchmark FILE...\n");
    return 2;
  }
  try {
    return run(argc - 1, argv + 1);
  } catch (const resnet::Error& error) {
    fmt::print(stderr, "image_benchmark: {}\n", error.what());
    return 1;
  }
}
