// For tests: a small network, and files that hold its tensors under other names.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "resnet/error.h"
#include "resnet/graph.h"
#include "resnet/model_file.h"
#include "weights/initialize.h"

namespace resnet {

inline Architecture small(Block block = Block::kBasic) {
  Architecture a;
  a.block = block;
  a.depths = {1, 1};
  a.widths = {8, 16};
  a.stem_width = 8;
  a.classes = 5;
  return a;
}

inline StateDict weights_of(const Architecture& architecture, std::uint64_t seed = 1) {
  return initial_weights(expand(architecture), seed);
}

inline Tensor numbers(Shape shape, float first = 1, float step = 0.25F) {
  Tensor tensor = Tensor::zeros(DType::kF32, std::move(shape));
  for (float& value : tensor.mutable_f32()) value = first += step;
  return tensor;
}

// A file of a network whose tensors are called otherwise: new_name gives "" for those that are left out.
class ForeignFile {
 public:
  ForeignFile() { file_.format = "torch-zip"; }

  ForeignFile& add(const StateDict& weights, const std::string& prefix,
                   const std::function<std::string(const std::string&)>& new_name = nullptr) {
    for (const auto& [name, tensor] : weights) {
      const std::string other = new_name ? new_name(name) : name;
      if (!other.empty()) file_.tensors.add(prefix + other, tensor);
    }
    return *this;
  }
  ForeignFile& add(const std::string& name, const Tensor& tensor) {
    file_.tensors.add(name, tensor);
    return *this;
  }

  // What the file says beside its tensors: JSON by path.
  ForeignFile& say(const std::map<std::string, std::string>& values) {
    for (const auto& [path, json] : values) file_.values[path] = json;
    return *this;
  }

  Model load(const LoadOptions& options = {}) const { return load_model(file_, "m.pth", options); }

  std::string refusal(const LoadOptions& options = {}) const {
    try {
      load(options);
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_LE(text.size(), 500U) << text;
      return text;
    }
    return "no error";
  }

 private:
  TensorFile file_;
};

}  // namespace resnet
