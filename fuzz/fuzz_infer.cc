// Bodies of requests to a model, as JSON with binary tensors or as gRPC's message, and their answers.
#include <unistd.h>

#include <fmt/format.h>

#include <filesystem>

#include "fuzz_tensors.h"
#include "resnet/model_file.h"
#include "serve/grpc.h"
#include "serve/v2_json.h"
#include "weights/initialize.h"

namespace {

using namespace resnet;

// Of two classes, for pictures of 8x8.
serve::ServedModel make_model() {
  Architecture architecture;
  architecture.block = Block::kBasic;
  architecture.depths = {1};
  architecture.widths = {8};
  architecture.stem = Stem::kCifar;
  architecture.stem_width = 8;
  architecture.classes = 2;
  Model model;
  model.architecture = architecture;
  model.weights = initial_weights(expand(architecture), 1);
  model.preprocessing = preset(Preset::kCifar);
  model.preprocessing->height = model.preprocessing->width = 8;
  model.preprocessing->resize = 8;
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("fuzz-infer-{}.safetensors", ::getpid())).string();
  save_model(model, path);
  serve::ServedModel served("m", "1", path, {.precision = {}, .sessions = 1, .max_pixels = 10'000},
                            std::make_shared<serve::ModelCounters>(), [](const std::string&) {});
  std::filesystem::remove(path);
  return served;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const serve::ServedModel model = make_model();
  if (size < 3) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 3, size - 3);
  try {
    serve::Times times;
    if (data[0] % 2 == 0) {
      std::optional<std::size_t> length;
      if (data[0] % 4 == 0) length = data[1] + 256 * data[2];
      std::vector<std::string> storage;
      const serve::InferRequest request = serve::parse_infer(body, length, model.classifier().input_shape(), storage);
      serve::format_infer(serve::infer(model, request, times), model);
    } else {
      const serve::GrpcInfer request = serve::parse_grpc_infer(std::string(body));
      serve::format_grpc_infer(serve::infer(model, request.request, times), model);
    }
  } catch (const Error& error) {
    check_line(error);
  }
  return 0;
}
