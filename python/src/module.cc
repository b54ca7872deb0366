// The module resnet_cpp._native: resnet::Classifier for Python. The network runs without the GIL.
#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <filesystem>
#include <optional>

#include "arrays.h"
#include "model.h"

// What a picture may be, for type checkers.
#define RESNET_PICTURE                                         \
  "str | os.PathLike[str] | bytes | bytearray | memoryview | " \
  "numpy.typing.NDArray[numpy.uint8] | PIL.Image.Image"

namespace resnet::python {
namespace {

std::unique_ptr<Model> load(const std::filesystem::path& path, int threads,
                            const std::optional<std::string>& architecture, const std::optional<std::string>& how,
                            const std::optional<std::string>& precision, bool allow_nonfinite,
                            const std::optional<std::string>& take, const std::optional<std::string>& head,
                            const std::optional<std::string>& fields) {
  return without_gil([&] {
    ClassifierOptions options;
    options.allow_nonfinite = allow_nonfinite;
    options.engine.threads = threads;
    if (architecture) options.architecture = find_architecture(*architecture);
    if (how) options.preprocessing = preset(*how);
    if (precision) options.engine.precision = parse_precision(*precision);
    options.take = take.value_or("");
    options.head = head.value_or("");
    if (fields) options.changes = parse_changes(*fields);
    return std::make_unique<Model>(path.string(), options);
  });
}

std::vector<Guess> classify(const Model& model, nb::handle source, int top) {
  const Picture picture(source, model.classifier);
  return without_gil([&] { return picture.classify(model.classifier, top); });
}

std::vector<std::vector<Guess>> classify_each(const Model& model, const nb::list& sources, int top) {
  std::vector<std::vector<Guess>> result;
  for (const nb::handle source : sources) result.push_back(classify(model, source, top));
  return result;
}

Floats prepare_all(const Model& model, const std::vector<nb::object>& sources, bool as_batch) {
  const FeatureShape shape = model.classifier.input_shape();
  std::vector<float> values;
  for (const nb::object& source : sources) {
    const Picture picture(source, model.classifier);
    const std::vector<float> one = without_gil([&] { return picture.prepare(model.classifier); });
    values.insert(values.end(), one.begin(), one.end());
  }
  std::vector<std::size_t> sizes = {static_cast<std::size_t>(shape.channels), static_cast<std::size_t>(shape.height),
                                    static_cast<std::size_t>(shape.width)};
  if (as_batch) sizes.insert(sizes.begin(), sources.size());
  return to_numpy(std::move(values), sizes);
}

Floats prepare(const Model& model, const nb::object& source) { return prepare_all(model, {source}, false); }

Floats prepare_each(const Model& model, const nb::list& sources) {
  std::vector<nb::object> held;
  for (const nb::handle source : sources) held.push_back(nb::borrow(source));
  return prepare_all(model, held, true);
}

Floats logits(const Model& model, const Batch& batch) {
  return to_numpy(
      without_gil([&] { return model.classifier.logits(std::span(batch.data(), batch.size()), shape_of(batch)); }),
      {batch.shape(0), static_cast<std::size_t>(model.classifier.architecture().outputs())});
}

Floats features(const Model& model, const Batch& batch) {
  return to_numpy(
      without_gil([&] { return model.embedder.embed(std::span(batch.data(), batch.size()), shape_of(batch)); }),
      {batch.shape(0), static_cast<std::size_t>(model.embedder.size())});
}

Floats heatmap(const Model& model, nb::handle source, std::optional<int> index) {
  const Picture picture(source, model.classifier);
  Heatmap map = without_gil([&] {
    require_head(model.classifier.architecture(), "heatmap");
    return model.explainer->explain(picture.prepare(model.classifier), model.classifier.input_shape(), index);
  });
  return to_numpy(std::move(map.values), {static_cast<std::size_t>(map.height), static_cast<std::size_t>(map.width)});
}

std::tuple<int, int, int> input_shape(const Model& model) {
  const Preprocessing& how = model.classifier.preprocessing();
  return {model.classifier.architecture().in_channels, how.height, how.width};
}

void raise(PyObject* type, std::string_view text, std::string_view code) {
  const nb::object message =
      nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
  const nb::object instance = nb::handle(type)(message);
  instance.attr("code") = nb::str(code.data(), code.size());
  PyErr_SetObject(type, instance.ptr());
}

// resnet::Error becomes an exception of the type `type`, with the kind of error in its attribute `code`. What nanobind
// and Python mean by theirs they say themselves; the standard library's words reach nobody.
void translate(const std::exception_ptr& thrown, void* type) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    raise(static_cast<PyObject*>(type), error.what(), name(error.code()));
  } catch (const nb::python_error&) {
    throw;
  } catch (const nb::builtin_exception&) {
    throw;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::length_error&) {  // no container is so large
    PyErr_NoMemory();
  } catch (const std::exception&) {
    raise(static_cast<PyObject*>(type), "a fault of resnet_cpp itself, not of what it was given: please report it",
          "internal");
  }
}

std::string text_of(const Model& model) {
  const Architecture& architecture = model.classifier.architecture();
  const FeatureShape in = model.classifier.input_shape();
  return architecture.name + ", " +
         (architecture.classes > 0 ? std::to_string(architecture.classes) + " classes" : "no classifier") + ", input " +
         std::to_string(in.channels) + "x" + std::to_string(in.height) + "x" + std::to_string(in.width) + ", " +
         std::string(name(model.classifier.engine().precision()));
}

}  // namespace

NB_MODULE(_native, module) {
  module.attr("__version__") = RESNET_VERSION;

  nb::object error = nb::steal(PyErr_NewExceptionWithDoc(
      "resnet_cpp.Error", "What went wrong and where; `code` names the kind: not_found, format, mismatch, ...", nullptr,
      nullptr));
  module.attr("Error") = error;
  nb::register_exception_translator(translate, error.ptr());

  nb::class_<Guess>(module, "Guess", "A class and how probable it is.")
      .def_ro("index", &Guess::index, "Of the class.")
      .def_ro("label", &Guess::label, "Its name; its index as text where the model has no names.")
      .def_ro("probability", &Guess::probability, "Softmax over all classes.")
      .def("__repr__", [](const Guess& guess) {
        return nb::str("Guess(index={}, label={!r}, probability={:.4f})")
            .format(guess.index, guess.label, guess.probability);
      });

  nb::class_<Model> classifier(module, "Classifier", "A model file made ready to classify pictures.");
  classifier
      .def_static(
          "load", &load, nb::arg("path"), nb::kw_only(), nb::arg("threads") = 0, nb::arg("architecture") = nb::none(),
          nb::arg("preset") = nb::none(), nb::arg("precision") = nb::none(), nb::arg("allow_nonfinite") = false,
          nb::arg("take") = nb::none(), nb::arg("head") = nb::none(), nb::arg("fields") = nb::none(),
          "Reads .safetensors, .pth, .pt, .th or .bin. `threads` work on one call (0: one per processor); "
          "`architecture`, `preset` (torchvision, torchvision-v2, timm, cifar) and `precision` (fp32, bf16, "
          "int8, auto) count instead of the file's word. `allow_nonfinite`: a file with weights that are NaN or "
          "infinite is loaded, and classify() gives such answers. `take` and `head`: of several networks or "
          "classifiers in a file the ones of these names. `fields`: of the network, instead of what the file says or "
          "what is usual: \"stem_pool=none strides=1,2,2,1\". `notes` says what was assumed.")
      .def_prop_ro("architecture", [](const Model& model) { return model.classifier.architecture().name; })
      .def_prop_ro(
          "precision", [](const Model& model) { return nb::str(name(model.classifier.engine().precision()).data()); },
          "fp32, bf16 or int8: what its layers run in.")
      .def_prop_ro(
          "labels", [](const Model& model) { return model.classifier.labels(); }, "One per class.")
      .def_prop_ro(
          "notes", [](const Model& model) { return model.classifier.notes(); },
          "What people should know of how the file was read: what was decided and what was assumed, for `fields`.")
      .def_prop_ro("input_shape", &input_shape, "Channels, height, width of what prepare() gives.")
      .def_prop_ro(
          "feature_count", [](const Model& model) { return model.embedder.size(); }, "Length of an embedding.")
      .def("classify", &classify_each, nb::arg("pictures"), nb::arg("top") = 5,
           nb::sig("def classify(self, pictures: list[" RESNET_PICTURE "], top: int = 5) -> list[list[Guess]]"),
           "The same for each of a list.")
      .def("classify", &classify, nb::arg("picture"), nb::arg("top") = 5,
           nb::sig("def classify(self, picture: " RESNET_PICTURE ", top: int = 5) -> list[Guess]"),
           "The most probable classes, best first: of a path, of a file's bytes, of RGB pixels (uint8, HxWx3) or of a "
           "picture of PIL.")
      .def("prepare", &prepare_each, nb::arg("pictures"),
           nb::sig("def prepare(self, pictures: list[" RESNET_PICTURE "]) -> numpy.typing.NDArray[numpy.float32]"),
           "A batch of such tensors (NxCxHxW), as logits() and features() take it.")
      .def("prepare", &prepare, nb::arg("picture"),
           nb::sig("def prepare(self, picture: " RESNET_PICTURE ") -> numpy.typing.NDArray[numpy.float32]"),
           "The tensor that the network takes (CxHxW): resized, cropped and normalised.")
      .def("logits", &logits, nb::arg("batch"),
           nb::sig(
               "def logits(self, batch: numpy.typing.NDArray[numpy.float32]) -> numpy.typing.NDArray[numpy.float32]"),
           "Scores of the classes before softmax (N x classes) of preprocessed pictures (NxCxHxW).")
      .def("features", &features, nb::arg("batch"),
           nb::sig(
               "def features(self, batch: numpy.typing.NDArray[numpy.float32]) -> numpy.typing.NDArray[numpy.float32]"),
           "Embeddings (N x feature_count) of preprocessed pictures (NxCxHxW): what the last layer classifies.")
      .def("heatmap", &heatmap, nb::arg("picture"), nb::arg("index") = nb::none(),
           nb::sig("def heatmap(self, picture: " RESNET_PICTURE
                   ", index: int | None = None) -> numpy.typing.NDArray[numpy.float32]"),
           "Where a class (the most probable one) is seen: Grad-CAM on the last stage, as fine as that stage.")
      .def("__repr__", [](const Model& model) { return "<resnet_cpp.Classifier " + text_of(model) + ">"; });
  add_tools(module, classifier);
}

}  // namespace resnet::python
