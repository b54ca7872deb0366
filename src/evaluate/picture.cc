#include "evaluate/picture.h"

#include <algorithm>
#include <thread>

namespace resnet {
namespace {

int readers() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

}  // namespace

std::vector<float> read_picture(const Item& item, const Classifier& classifier, const DecodeOptions& decode) {
  const Preprocessing& how = classifier.preprocessing();
  const Image image = item.bytes ? decode_image(*item.bytes, item.path, decode) : read_image(item.path, decode);
  std::vector<float> values(static_cast<std::size_t>(classifier.architecture().in_channels) * how.height * how.width);
  try {
    preprocess(image, how, values);
  } catch (const Error& error) {
    throw Error(error.code(), item.path, error.what());
  }
  return values;
}

PictureReader::PictureReader(const Classifier& classifier, Source& source, const DecodeOptions& decode, int batch)
    : ParallelReader(
          source, [&classifier, decode](const Item& item) { return read_picture(item, classifier, decode); }, readers(),
          2 * static_cast<std::size_t>(batch) + readers()) {}

}  // namespace resnet
