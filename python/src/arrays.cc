#include "arrays.h"

#include <algorithm>
#include <memory>
#include <string>

namespace resnet::python {
namespace {

using Pixels = nb::ndarray<nb::ro, nb::device::cpu>;

bool is_dense(const Pixels& array) {
  std::int64_t step = 1;
  for (std::size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != step) return false;
    step *= static_cast<std::int64_t>(array.shape(i));
  }
  return true;
}

// The values in C order.
std::vector<std::uint8_t> dense_copy(const Pixels& array, std::size_t channels) {
  const auto* from = static_cast<const std::uint8_t*>(array.data());
  const std::int64_t channel_step = array.ndim() == 3 ? array.stride(2) : 0;
  std::vector<std::uint8_t> values;
  values.reserve(array.size());
  for (std::size_t y = 0; y < array.shape(0); ++y) {
    for (std::size_t x = 0; x < array.shape(1); ++x) {
      const std::uint8_t* pixel =
          from + static_cast<std::int64_t>(y) * array.stride(0) + static_cast<std::int64_t>(x) * array.stride(1);
      for (std::size_t c = 0; c < channels; ++c) values.push_back(pixel[static_cast<std::int64_t>(c) * channel_step]);
    }
  }
  return values;
}

bool is_path(nb::handle source) { return nb::isinstance<nb::str>(source) || nb::hasattr(source, "__fspath__"); }

std::string to_path(nb::handle source) {
  PyObject* bytes = nullptr;  // in the encoding of the file system
  if (PyUnicode_FSConverter(source.ptr(), &bytes) == 0) throw nb::python_error();
  const nb::bytes path = nb::steal<nb::bytes>(bytes);
  return {path.c_str(), path.size()};
}

// bytearray, memoryview, mmap, ...: what has bytes and is no array of NumPy's kind.
bool is_plain_buffer(nb::handle source) {
  return PyObject_CheckBuffer(source.ptr()) != 0 && !nb::hasattr(source, "__array_interface__") &&
         !nb::hasattr(source, "__dlpack__");
}

bool is_pil(nb::handle source) {
  return nb::hasattr(source, "getexif") && nb::hasattr(source, "convert") && nb::hasattr(source, "mode");
}

nb::object pixels_of_pil(nb::handle picture, int channels) {
  const nb::object upright = nb::module_::import_("PIL.ImageOps").attr("exif_transpose")(picture);
  return nb::module_::import_("numpy").attr("asarray")(upright.attr("convert")(channels == 1 ? "L" : "RGB"));
}

// A view of an object's bytes, for as long as this lives.
class Buffer {
 public:
  explicit Buffer(nb::handle source) {
    if (PyObject_GetBuffer(source.ptr(), &view_, PyBUF_FULL_RO) != 0) throw nb::python_error();
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { PyBuffer_Release(&view_); }

  // A file's bytes are a line of single bytes; pixels have two dimensions or three.
  bool is_file() const { return view_.ndim <= 1 && view_.itemsize == 1; }

  std::vector<std::byte> copy() const {
    std::vector<std::byte> bytes(static_cast<std::size_t>(view_.len));
    if (PyBuffer_ToContiguous(bytes.data(), &view_, view_.len, 'C') != 0) throw nb::python_error();
    return bytes;
  }

 private:
  mutable Py_buffer view_{};
};

}  // namespace

Floats to_numpy(std::vector<float> values, const std::vector<std::size_t>& shape) {
  auto kept = std::make_unique<std::vector<float>>(std::move(values));
  float* data = kept->data();
  nb::capsule owner(kept.get(), [](void* vector) noexcept { delete static_cast<std::vector<float>*>(vector); });
  static_cast<void>(kept.release());
  return Floats(data, shape.size(), shape.data(), owner);
}

FeatureShape shape_of(const Batch& batch) {
  if (batch.ndim() == 3) throw nb::type_error("an array of 3 axes; add a batch axis: array[None]");
  if (batch.ndim() != 4) {
    const std::string text =
        "an array of " + std::to_string(batch.ndim()) + " axes; a batch has 4: pictures, channels, height, width";
    throw nb::type_error(text.c_str());
  }
  return {static_cast<std::int64_t>(batch.shape(0)), static_cast<std::int64_t>(batch.shape(1)),
          static_cast<std::int64_t>(batch.shape(2)), static_cast<std::int64_t>(batch.shape(3))};
}

Picture::Picture(nb::handle given, const Classifier& model) : what_(std::string()) {
  const nb::object source = is_pil(given) ? pixels_of_pil(given, model.architecture().in_channels) : nb::borrow(given);
  if (is_path(source)) {
    what_ = to_path(source);
  } else if (nb::isinstance<nb::bytes>(source)) {
    owner_ = source;
    const nb::bytes bytes = nb::borrow<nb::bytes>(source);
    what_ = std::span(static_cast<const std::byte*>(bytes.data()), bytes.size());
  } else if (is_plain_buffer(source) && Buffer(source).is_file()) {
    file_ = Buffer(source).copy();  // others may write to it meanwhile
    what_ = std::span<const std::byte>(file_);
  } else if (!nb::try_cast(source, array_)) {
    throw nb::type_error("a path, the bytes of a file, a uint8 array or a picture of PIL is expected");
  } else {
    if (array_.dtype() != nb::dtype<std::uint8_t>()) throw nb::type_error("an array of pixels must be uint8");
    if (array_.ndim() != 2 && array_.ndim() != 3) {
      throw nb::value_error("an array of pixels must be of shape HxWxC or HxW");
    }
    const std::size_t channels = array_.ndim() == 3 ? array_.shape(2) : 1;
    std::span pixels(static_cast<const std::uint8_t*>(array_.data()), array_.size());
    if (!is_dense(array_)) {
      copied_ = dense_copy(array_, channels);
      pixels = copied_;
    }
    const auto side = [](std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT32_MAX)); };
    what_ = ImageView(side(array_.shape(1)), side(array_.shape(0)), side(channels), pixels);
  }
}

std::vector<float> Picture::prepare(const Classifier& model) const {
  std::vector<float> tensor(static_cast<std::size_t>(model.input_shape().count()));
  std::visit([&](const auto& picture) { model.prepare(picture, tensor); }, what_);
  return tensor;
}

std::vector<Guess> Picture::classify(const Classifier& model, int top) const {
  return std::visit([&](const auto& picture) { return model.classify(picture, top); }, what_);
}

}  // namespace resnet::python
