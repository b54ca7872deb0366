// What resnet_cpp.Classifier holds, and the two halves of its methods.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <string>
#include <utility>

#include "resnet/classifier.h"
#include "resnet/explain.h"
#include "resnet/model_file.h"

namespace resnet::python {

namespace nb = nanobind;

// A classifier and what is made with it.
struct Model {
  Model(std::string path, ClassifierOptions how)
      : file(std::move(path)),
        options(std::move(how)),
        classifier(Classifier::load(file, options)),
        embedder(classifier) {
    if (classifier.architecture().classes > 0) explainer.emplace(classifier);
  }

  // What the file holds, read anew: a classifier keeps its weights in another form.
  resnet::Model read() const;

  std::string file;
  ClassifierOptions options;
  Classifier classifier;
  std::optional<Explainer> explainer;  // none of a backbone
  Embedder embedder;
};

// Calls `work` without the GIL.
template <typename Work>
auto without_gil(const Work& work) {
  const nb::gil_scoped_release release;
  return work();
}

// Adds the methods that take a set of pictures or give the model another form, and the types of what they give.
void add_tools(nb::module_& module, nb::class_<Model>& classifier);

}  // namespace resnet::python
