// ONNX (https://onnx.ai): a network and its weights as one file that other runtimes read. This room is the only one
// that knows protobuf and the ONNX schema; neither shows here.
//
// In float32 nodes are the graph's, one by one: batch norms are kept, so that every tensor of the state dict that
// inference needs stands in the file under its own name, value for value; runtimes fold them when they load.
// docs/onnx.md describes the file.
#pragma once

#include <cstdint>
#include <string>

#include "resnet/graph.h"
#include "resnet/model_file.h"

namespace resnet {

// Of the operators' definitions: the oldest that has everything needed, so that the most runtimes read the file.
inline constexpr std::int64_t kOnnxOpset = 13;

inline constexpr const char* kOnnxInput = "input";  // batch x channels x height x width, float32

// Of the output: "logits", batch x classes, or of a backbone "features", batch x channels; float32.
inline const char* onnx_output(const Architecture& architecture) noexcept {
  return architecture.classes > 0 ? "logits" : "features";
}

struct OnnxOptions {
  // The network as it runs in int8, written as pairs of QuantizeLinear and DequantizeLinear (QDQ) with the scales of
  // the model file; only for weights that `resnet quantize` made. Batch norms are then part of scales and biases. Where
  // false, int8 weights are multiplied with their scales.
  bool int8 = false;
};

// What a written file is.
struct OnnxFile {
  FeatureShape input;  // of one picture; the file leaves the batch open
  std::int64_t nodes = 0;
  std::int64_t bytes = 0;
};

// Writes `model` to `path`, atomically. Height and width are those of the model's preprocessing, else what the
// architecture is made for. Throws kMismatch where the weights are not the architecture's, or not int8 where that is
// asked for, kInvalidArgument where the picture is too small for the network, kLimit where the file would be larger
// than the format allows (2 GiB), kIo.
OnnxFile export_onnx(const Model& model, const std::string& path, const OnnxOptions& options = {});

}  // namespace resnet
