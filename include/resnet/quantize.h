// An int8 model from one in floating point: ranges of activations from pictures (calibration), weights rounded per
// output channel, biases corrected, and layers left in float32 where int8 would change too many answers.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "resnet/graph.h"
#include "resnet/model_file.h"

namespace resnet {

// Pictures as the network takes them: shape.batch of them, NCHW.
struct CalibrationSet {
  FeatureShape shape;
  std::span<const float> values;
};

struct QuantizeOptions {
  double min_agreement = 0.98;  // share of the pictures whose most probable class must stay the same
  int threads = 0;              // as in EngineOptions

  // Called between pieces of work, which are about `total` in all; more where layers have to be left in float32.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
};

struct QuantizedLayer {
  std::string name;    // path of the convolution or linear layer
  bool int8 = true;    // false: left in float32
  float low = 0;       // range of what it gives, after batch norm, shortcut and ReLU, that quantized values span;
  float high = 0;      //   both 0 for the logits
  std::string method;  // that found the range: "min-max", "percentile", "squared error"; empty for the logits
  double weight_sqnr_db = 0;  // signal to quantisation noise of its weights, and of what it gives when the whole
  double output_sqnr_db = 0;  //   network runs in int8: 10 log10(sum x^2 / sum (x - x')^2)
  std::int64_t macs = 0;
};

struct QuantizedModel {
  Model model;
  std::vector<QuantizedLayer> layers;
  std::int64_t images = 0;
  double agreement = 0;  // of the pictures' most probable classes with those in float32
};

// The first half of the pictures proposes ranges, the second half measures which proposal errs least; all of them
// measure the agreement. Memory: the activations of a few pictures. Throws kInvalidArgument for a model that is int8
// already, or for fewer than two pictures, kUnsupported for a
// backbone, and what Engine throws.
QuantizedModel quantize(const Model& model, const CalibrationSet& pictures, const QuantizeOptions& options = {});

}  // namespace resnet
