#include "resnet/onnx.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <exception>
#include <span>

#include "arch/describe.h"
#include "base/error.h"
#include "base/file.h"
#include "onnx/graph_writer.h"
#include "program/formats.h"
#include "program/quantized.h"
#include "weights/metadata.h"

namespace resnet {
namespace {

constexpr std::int64_t kIrVersion = 7;               // the one that came with the opset
constexpr std::int64_t kMaxBytes = (1LL << 31) - 1;  // of a protobuf message

// What protobuf writes goes to the file; an exception waits until protobuf is done.
class FileStream : public google::protobuf::io::CopyingOutputStream {
 public:
  explicit FileStream(AtomicFile& file) : file_(file) {}

  bool Write(const void* bytes, int size) override {
    try {
      file_.write(std::span(static_cast<const std::byte*>(bytes), static_cast<std::size_t>(size)));
      return true;
    } catch (...) {
      error_ = std::current_exception();
      return false;
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  AtomicFile& file_;
  std::exception_ptr error_;
};

FeatureShape input_shape(const Model& model) {
  FeatureShape shape = usual_input(model.architecture);
  if (model.preprocessing) {
    shape.height = model.preprocessing->height;
    shape.width = model.preprocessing->width;
  }
  return shape;
}

// Refused before memory is taken.
void check_size(const Graph& graph, const StateDict& weights, bool int8, const std::string& path) {
  std::int64_t bytes = 0;
  for (const Parameter& parameter : parameters(graph)) {
    const bool quantized = int8 && weights.at(parameter.name).dtype() == DType::kI8;
    bytes += element_count(parameter.shape) * (quantized ? 1 : 4);
    if (bytes > kMaxBytes)
      fail(ErrorCode::kLimit, path, "an ONNX file holds at most 2 GiB, less than the weights take");
  }
}

onnx::ModelProto make_model(const Model& model, const Graph& graph, const FeatureShape& input, bool int8) {
  onnx::ModelProto proto;
  proto.set_ir_version(kIrVersion);
  proto.set_producer_name("resnet.cpp");
  proto.set_producer_version(RESNET_VERSION);
  proto.add_opset_import()->set_version(kOnnxOpset);
  for (const auto& [key, value] : to_metadata(model)) {
    onnx::StringStringEntryProto& entry = *proto.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  if (int8) {
    const Program program = give_formats(lower(graph, Lowering::kInference), model.weights, Precision::kInt8);
    write_program(program, model.weights, input, *proto.mutable_graph());
  } else {
    const Program program = lower(graph, Lowering::kNodes);
    write_program(program, dequantized(graph, model.weights), input, *proto.mutable_graph());
  }
  return proto;
}

std::int64_t write_file(const onnx::ModelProto& proto, const std::string& path) {
  const std::size_t bytes = proto.ByteSizeLong();
  if (bytes > kMaxBytes) fail(ErrorCode::kLimit, path, "an ONNX file holds at most 2 GiB, not {} bytes", bytes);
  AtomicFile file(path);
  FileStream stream(file);
  google::protobuf::io::CopyingOutputStreamAdaptor adaptor(&stream);
  [[maybe_unused]] const bool written = proto.SerializeToZeroCopyStream(&adaptor) && adaptor.Flush();
  stream.rethrow();
  RESNET_ASSERT(written);
  file.commit();
  return static_cast<std::int64_t>(bytes);
}

}  // namespace

OnnxFile export_onnx(const Model& model, const std::string& path, const OnnxOptions& options) {
  const Graph graph = expand(model.architecture);
  check_weights(graph, model.weights, path);
  if (options.int8 && !is_quantized(graph, model.weights)) {
    fail(ErrorCode::kMismatch, path, "the weights are not int8; 'resnet quantize' makes a model whose are");
  }
  check_size(graph, model.weights, options.int8, path);
  OnnxFile result;
  result.input = input_shape(model);
  infer_shapes(graph, result.input);
  const onnx::ModelProto proto = make_model(model, graph, result.input, options.int8);
  result.nodes = proto.graph().node_size();
  result.bytes = write_file(proto, path);
  return result;
}

}  // namespace resnet
