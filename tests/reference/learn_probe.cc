// learn_probe MODEL BATCH.npy LABELS OUT.pth direct|auto: what our own learning makes of a batch, for train_parity.py.
// OUT holds the engine's logits ("engine", and as there is no other evaluation, "eval"), then the logits of a training
// pass ("logits"), its loss ("loss"), every gradient ("grad.NAME") and the statistics after it ("state.NAME").
//
// learn_probe bench ARCHITECTURE BATCH SIZE STEPS THREADS: images per second of forward, backward and a step of SGD on
// random pictures, the median over the steps.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <sstream>
#include <string>

#include "base/file.h"
#include "formats/npy.h"
#include "formats/torch_file.h"
#include "learn/loss.h"
#include "learn/network.h"
#include "resnet/engine.h"
#include "resnet/model_file.h"
#include "weights/initialize.h"

namespace {

using namespace resnet;

std::vector<std::int64_t> parse_labels(const std::string& text) {
  std::vector<std::int64_t> labels;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) labels.push_back(std::stoll(item));
  return labels;
}

std::vector<float> to_nhwc(const std::vector<float>& nchw, const FeatureShape& shape) {
  std::vector<float> result(nchw.size());
  const std::int64_t plane = shape.height * shape.width;
  for (std::int64_t i = 0; i < shape.count(); ++i) {
    const std::int64_t image = i / (shape.channels * plane);
    result[(image * plane + i % plane) * shape.channels + i / plane % shape.channels] = nchw[i];
  }
  return result;
}

void probe(const std::string& model_path, const std::string& batch_path, const std::string& labels_text,
           const std::string& out, bool direct) {
  const Model model = load_model(model_path);
  const Graph graph = expand(model.architecture);
  const std::vector<std::byte> file = read_file(batch_path);
  const NpyArray array = parse_npy(file, batch_path);
  const FeatureShape shape = {array.shape[0], array.shape[1], array.shape[2], array.shape[3]};
  std::vector<float> batch(static_cast<std::size_t>(shape.count()));
  std::memcpy(batch.data(), array.bytes.data(), array.bytes.size());
  const Shape logits_shape = {shape.batch, model.architecture.classes};
  std::vector<float> evaluated(static_cast<std::size_t>(element_count(logits_shape)));
  Engine(graph, model.weights).run(batch, shape, evaluated);
  StateDict result;
  result.add("engine", Tensor::from(evaluated, logits_shape));
  result.add("eval", Tensor::from(evaluated, logits_shape));
  NetworkOptions options;
  options.algorithms = direct ? Algorithms::kDirect : Algorithms::kAuto;
  LearningNetwork network(graph, model.weights, options);
  const std::vector<float> pictures = to_nhwc(batch, shape);
  const std::span<const float> logits = network.forward(pictures.data(), shape);
  std::vector<float> gradient(logits.size());
  const auto loss = static_cast<float>(cross_entropy(logits, parse_labels(labels_text), {}, 1, gradient));
  result.add("logits", Tensor::from(logits, logits_shape));
  result.add("loss", Tensor::from(std::span(&loss, 1), {}));
  network.backward(gradient);
  for (const LearnedTensor& tensor : network.weights().tensors()) {
    if (tensor.learns) result.add("grad." + tensor.name, Tensor::from(tensor.gradient.span(), tensor.shape));
  }
  for (const auto& [name, tensor] : network.weights().state_dict()) result.add("state." + name, tensor);
  write_torch_file(result, out);
}

void bench(const std::string& name, std::int64_t batch, std::int64_t size, int steps, int threads) {
  const Graph graph = expand(find_architecture(name));
  NetworkOptions options;
  options.threads = threads;
  LearningNetwork network(graph, initial_weights(graph, 0), options);
  const FeatureShape shape = {batch, graph.architecture.in_channels, size, size};
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> pictures(static_cast<std::size_t>(shape.count()));
  for (float& value : pictures) value = normal(random);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(batch));
  for (std::int64_t& label : labels) label = static_cast<std::int64_t>(random() % 10);
  std::vector<double> seconds;
  for (int step = 0; step < steps; ++step) {
    const auto begin = std::chrono::steady_clock::now();
    const std::span<const float> logits = network.forward(pictures.data(), shape);
    std::vector<float> gradient(logits.size());
    cross_entropy(logits, labels, {}, 1, gradient);
    network.backward(gradient);
    for (LearnedTensor& tensor : network.weights().tensors()) {
      for (std::size_t i = 0; i < tensor.gradient.size(); ++i) {
        tensor.value[i] -= 0.01F * tensor.gradient[i];
        tensor.gradient[i] = 0;
      }
    }
    network.weights_changed();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + steps / 2, seconds.end());
  std::printf("%.1f\n", static_cast<double>(batch) / seconds[static_cast<std::size_t>(steps / 2)]);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  try {
    if (argc == 7 && first == "bench") {
      bench(argv[2], std::stoll(argv[3]), std::stoll(argv[4]), std::stoi(argv[5]), std::stoi(argv[6]));
    } else if (argc == 6) {
      probe(argv[1], argv[2], argv[3], argv[4], std::string(argv[5]) == "direct");
    } else {
      return 2;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
