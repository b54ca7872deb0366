// What goes between NumPy and the library: pictures in, arrays of floats in and out.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "resnet/classifier.h"

namespace resnet::python {

namespace nb = nanobind;

// Preprocessed pictures, NCHW. A float32 array in C order is taken where it lies; others are converted.
using Batch = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;

// Throws TypeError, with the way out, where an array has not the four axes of a batch.
FeatureShape shape_of(const Batch& batch);

// A new array that owns its values.
using Floats = nb::ndarray<nb::numpy, float>;

Floats to_numpy(std::vector<float> values, const std::vector<std::size_t>& shape);

// A picture as the caller has it: a path, the bytes of a file, or pixels. Holds what it refers to, so it must be made
// and destroyed with the GIL held; between, `prepare` needs none.
class Picture {
 public:
  // `source`: str, os.PathLike; bytes, bytearray, memoryview or another buffer of one dimension, which hold a file; a
  // uint8 array, or a buffer, of shape HxWxC or HxW; a picture of PIL, which is turned as its EXIF data says and made
  // gray for a network of one channel, RGB for others. Throws nb::type_error for others, and what Python says of a
  // path.
  Picture(nb::handle source, const Classifier& model);

  // The tensor that `model` makes of it (CHW).
  std::vector<float> prepare(const Classifier& model) const;

  std::vector<Guess> classify(const Classifier& model, int top) const;

 private:
  using Pixels = nb::ndarray<nb::ro, nb::device::cpu>;

  std::variant<std::string, std::span<const std::byte>, ImageView> what_;
  nb::object owner_;                  // of bytes
  std::vector<std::byte> file_;       // of other buffers
  Pixels array_;                      // of pixels that are dense
  std::vector<std::uint8_t> copied_;  // of others
};

}  // namespace resnet::python
