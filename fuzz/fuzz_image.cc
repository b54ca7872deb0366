// Pictures and arrays from hostile bytes: decoding and preprocessing must give a result or throw resnet::Error. The
// tensor of the crop must be that of the whole picture.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "resnet/error.h"
#include "resnet/image.h"
#include "resnet/preprocessing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const resnet::DecodeOptions options{.max_pixels = 1 << 18};  // enough for every path, and fast
  resnet::Preprocessing how;
  how.resize = 12;
  how.height = 8;
  how.width = 11;
  std::vector<float> tensor(3 * 8 * 11);
  try {
    resnet::load_input(bytes, "input", how, tensor, options);
    const resnet::Image image = resnet::decode_image(bytes, "input", options);
    std::vector<float> of_image(tensor.size());
    resnet::preprocess(image, how, of_image);
    if (of_image != tensor) std::abort();
  } catch (const resnet::Error&) {  // NOLINT(bugprone-empty-catch): refusing is right
  }
  return 0;
}
