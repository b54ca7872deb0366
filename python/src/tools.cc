// Methods of resnet_cpp.Classifier that take a set of pictures, or give the model another form.
#include "resnet/tools.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>

#include "arrays.h"
#include "model.h"
#include "resnet/onnx.h"

namespace resnet::python {
namespace {

using Progress = std::function<void(std::int64_t done, std::int64_t of)>;

// What is called while work goes on: the caller's function, or the package's own bar, or nothing. Ctrl-C ends the work.
class Reporter {
 public:
  Reporter(const nb::object& progress, const char* what)
      : report_(nb::module_::import_("resnet_cpp._progress").attr("reporter")(progress, what)) {}

  Progress function() {
    return [this](std::int64_t done, std::int64_t of) {
      const nb::gil_scoped_acquire acquire;
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (!report_.is_none()) report_(done, of);
    };
  }

 private:
  nb::object report_;
};

// What a function of the package, written in Python, makes of an object.
nb::object of_package(const char* module, const char* function, nb::handle object) {
  return nb::module_::import_((std::string("resnet_cpp.") + module).c_str()).attr(function)(object);
}

PictureSet set_of(const std::filesystem::path& path, const std::optional<std::string>& only,
                  std::optional<std::int64_t> limit) {
  return {path.string(), only.value_or(""), "", limit.value_or(-1)};
}

DataReport evaluate_on(const Model& model, const std::filesystem::path& pictures,
                       const std::optional<std::string>& only, std::optional<std::int64_t> limit, int batch,
                       bool skip_bad, const nb::object& progress) {
  Reporter reporter(progress, "evaluate");
  return without_gil([&] {
    return evaluate(model.classifier, set_of(pictures, only, limit), {batch, skip_bad, reporter.function()});
  });
}

// A quantised model beside what its making showed.
struct Quantized {
  std::unique_ptr<Model> model;
  std::int64_t pictures = 0;
  double agreement = 0;
  std::int64_t layers = 0, int8_layers = 0;
};

Quantized quantize_on(const Model& model, const std::filesystem::path& pictures, const std::filesystem::path& out,
                      const std::optional<std::string>& only, std::optional<std::int64_t> limit, double min_agreement,
                      const nb::object& progress) {
  Reporter reporter(progress, "quantize");
  return without_gil([&] {
    const QuantizedModel made = quantize(model.read(), set_of(pictures, only, limit),
                                         {min_agreement, model.options.engine.threads, reporter.function()});
    save_model(made.model, out.string());
    ClassifierOptions options;
    options.engine.threads = model.options.engine.threads;
    Quantized result{std::make_unique<Model>(out.string(), options), made.images, made.agreement, 0, 0};
    for (const QuantizedLayer& layer : made.layers) {
      ++result.layers;
      result.int8_layers += layer.int8 ? 1 : 0;
    }
    return result;
  });
}

void write_onnx(const Model& model, const std::filesystem::path& out) {
  without_gil([&] { return export_onnx(model.read(), out.string()); });
}

std::string summary_of(const Model& model) {
  return summary(model.classifier.engine().graph(), model.classifier.input_shape());
}

std::int64_t batches_seen(const Tensor& tensor) {
  std::int64_t count = 0;
  std::memcpy(&count, tensor.bytes().data(), std::min(sizeof count, tensor.bytes().size()));
  return count;
}

nb::dict state_dict(const Model& model) {
  const resnet::Model read = without_gil([&] { return model.read(); });
  nb::dict tensors;
  for (const auto& [name, tensor] : read.weights) {
    if (tensor.dtype() == DType::kI8) {
      throw Error(ErrorCode::kUnsupported, model.file, "an int8 model; the one it was made from has the weights");
    }
    const Shape& shape = tensor.shape();
    if (tensor.dtype() == DType::kI64) {  // of batch norms: how many batches they saw
      tensors[name.c_str()] = nb::module_::import_("numpy").attr("int64")(batches_seen(tensor));
      continue;
    }
    const std::vector<std::size_t> sizes(shape.begin(), shape.end());
    const Tensor plain = tensor.to_f32();
    const std::span<const float> values = plain.f32();
    tensors[name.c_str()] = to_numpy(std::vector<float>(values.begin(), values.end()), sizes);
  }
  return tensors;
}

nb::list nodes(const Model& model) {
  nb::list list;
  for (const Node& node : model.classifier.engine().graph().nodes) {
    nb::dict entry;
    entry["op"] = name(node.op);
    entry["path"] = node.path;
    entry["inputs"] = node.inputs;
    entry["in_channels"] = node.in_channels;
    entry["out_channels"] = node.out_channels;
    entry["kernel"] = node.kernel;
    entry["stride"] = node.stride;
    entry["padding"] = node.padding;
    entry["dilation"] = node.dilation;
    entry["groups"] = node.groups;
    entry["bias"] = node.bias;
    entry["ceil_mode"] = node.ceil_mode;
    entry["epsilon"] = node.epsilon;
    entry["activation"] = name(node.activation);
    entry["negative_slope"] = node.negative_slope;
    list.append(entry);
  }
  return list;
}

Floats confused(const DataReport& report) {
  const std::size_t classes = report.classes.size();
  return to_numpy(std::vector<float>(report.confused.begin(), report.confused.end()), {classes, classes});
}

}  // namespace

resnet::Model Model::read() const {
  LoadOptions load;
  load.architecture = options.architecture;
  load.allow_nonfinite = options.allow_nonfinite;
  load.take = options.take;
  load.head = options.head;
  load.changes = options.changes;
  resnet::Model model = load_model(file, load);
  model.preprocessing = classifier.preprocessing();
  if (model.classes.empty() && classifier.named()) model.classes = classifier.labels();
  return model;
}

void add_tools(nb::module_& module, nb::class_<Model>& classifier) {
  nb::class_<ClassReport>(module, "ClassReport", "How one class was judged.")
      .def_ro("label", &ClassReport::label)
      .def_ro("pictures", &ClassReport::pictures, "Of the class.")
      .def_ro("predicted", &ClassReport::predicted, "Taken for it.")
      .def_ro("right", &ClassReport::right)
      .def_ro("precision", &ClassReport::precision, "right / predicted")
      .def_ro("recall", &ClassReport::recall, "right / pictures")
      .def_ro("f1", &ClassReport::f1, "2 right / (predicted + pictures)")
      .def("__repr__", [](const ClassReport& report) {
        return nb::str("ClassReport({!r}, {} pictures, precision={:.4f}, recall={:.4f})")
            .format(report.label, report.pictures, report.precision, report.recall);
      });
  nb::class_<DataReport>(module, "Evaluation", "How often a model is right on a set of pictures.")
      .def_ro("pictures", &DataReport::pictures, "That were classified.")
      .def_ro("skipped", &DataReport::skipped, "That could not be read.")
      .def_ro("top1", &DataReport::top1, "Share whose class has the highest score.")
      .def_ro("top5", &DataReport::top5, "Share whose class is among the five highest.")
      .def_ro("loss", &DataReport::loss, "Mean cross-entropy.")
      .def_ro("pictures_per_second", &DataReport::pictures_per_second, "Reading and decoding included.")
      .def_ro("classes", &DataReport::classes, "One per class of the model.")
      .def_ro("notes", &DataReport::notes, "What was assumed of the set.")
      .def_prop_ro("confusion", &confused, nb::rv_policy::move,
                   "Pictures of the row's class that were taken for the column's.")
      .def("__repr__",
           [](const DataReport& report) {
             return nb::str("Evaluation(top1={:.4f}, pictures={}, loss={:.4f})")
                 .format(report.top1, report.pictures, report.loss);
           })
      .def(
          "_repr_html_", [](nb::handle self) { return of_package("_html", "evaluation", self); },
          nb::sig("def _repr_html_(self) -> str"));
  nb::class_<Quantized>(module, "Quantized", "An int8 model, and what its making showed.")
      .def_prop_ro(
          "model", [](Quantized& made) -> Model& { return *made.model; }, nb::rv_policy::reference_internal)
      .def_ro("pictures", &Quantized::pictures, "That it was calibrated on.")
      .def_ro("agreement", &Quantized::agreement, "Share of them whose most probable class stayed.")
      .def_ro("layers", &Quantized::layers)
      .def_ro("int8_layers", &Quantized::int8_layers, "The others stay in float32.")
      .def("__repr__", [](const Quantized& made) {
        return nb::str("Quantized({!r}, {} of {} layers in int8, {:.2f} % of {} pictures keep their class)")
            .format(made.model->file, made.int8_layers, made.layers, 100 * made.agreement, made.pictures);
      });
  constexpr const char* kSet = "A folder of class folders, an archive of such, or CIFAR's files. ";
  const std::string evaluate_doc = std::string(kSet) +
                                   "`only`: this folder of it alone, such as \"val\". `limit`: so many pictures, "
                                   "spread over the classes. `skip_bad`: count pictures that cannot be read instead "
                                   "of stopping. `progress`: False, or a function of pictures done and all of them; "
                                   "else a bar in notebooks and terminals, where tqdm is installed.";
  classifier
      .def("evaluate", &evaluate_on, nb::arg("pictures"), nb::kw_only(), nb::arg("only") = nb::none(),
           nb::arg("limit") = nb::none(), nb::arg("batch") = 16, nb::arg("skip_bad") = false,
           nb::arg("progress") = nb::none(),
           nb::sig("def evaluate(self, pictures: str | os.PathLike[str], *, only: str | None = None, limit: int | None "
                   "= None, batch: int = 16, skip_bad: bool = False, progress: bool | collections.abc.Callable[[int, "
                   "int], object] | None = None) -> Evaluation"),
           evaluate_doc.c_str())
      .def("quantize", &quantize_on, nb::arg("pictures"), nb::arg("out"), nb::kw_only(), nb::arg("only") = nb::none(),
           nb::arg("limit") = nb::none(), nb::arg("min_agreement") = 0.98, nb::arg("progress") = nb::none(),
           nb::sig("def quantize(self, pictures: str | os.PathLike[str], out: str | os.PathLike[str], *, only: str | "
                   "None = None, limit: int | None = None, min_agreement: float = 0.98, progress: bool | "
                   "collections.abc.Callable[[int, int], object] | None = None) -> Quantized"),
           "Writes an int8 model to `out` (.safetensors), calibrated on 512 pictures or `limit`, which need no "
           "classes. Layers whose rounding changes too many answers stay in float32, so that `min_agreement` is kept.")
      .def("export_onnx", &write_onnx, nb::arg("out"),
           nb::sig("def export_onnx(self, out: str | os.PathLike[str]) -> None"),
           "Writes the model as ONNX; an int8 one in float32.")
      .def("summary", &summary_of, "The layers, with shapes, parameters and multiplications for one picture.")
      .def("state_dict", &state_dict, nb::sig("def state_dict(self) -> dict[str, numpy.typing.NDArray[numpy.float32]]"),
           "The weights, read anew from the file: torchvision's names, float32.")
      .def(
          "to_torch", [](nb::handle self) { return of_package("_torch", "build", self); },
          nb::sig("def to_torch(self) -> torch.nn.Module"),
          "The network as a module of PyTorch, which must be installed, in eval mode; tensors have torchvision's "
          "names.")
      .def(
          "_repr_html_", [](nb::handle self) { return of_package("_html", "classifier", self); },
          nb::sig("def _repr_html_(self) -> str"))
      .def("_nodes", &nodes, nb::sig("def _nodes(self) -> list[dict[str, typing.Any]]"));
}

}  // namespace resnet::python
