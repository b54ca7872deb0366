// train_probe MODEL BATCH.npy LABELS OUT.pth nhwc|nchw: what the LibTorch module of a model file makes of a batch, for
// train_parity.py. OUT holds the logits in evaluation ("eval") and those of the engine ("engine"), then those of a
// training pass ("logits"), its loss ("loss"), every gradient ("grad.NAME") and the statistics after it ("state.NAME").
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>

#include "base/file.h"
#include "formats/npy.h"
#include "formats/torch_file.h"
#include "resnet/engine.h"
#include "resnet/torch.h"
#include "train/torch/tensors.h"

namespace {

torch::Tensor read_batch(const std::string& path) {
  const std::vector<std::byte> file = resnet::read_file(path);
  const resnet::NpyArray array = resnet::parse_npy(file, path);
  torch::Tensor batch = torch::empty(array.shape, torch::kFloat);
  std::memcpy(batch.mutable_data_ptr(), array.bytes.data(), array.bytes.size());
  return batch;
}

torch::Tensor parse_labels(const std::string& text) {
  std::vector<std::int64_t> labels;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) labels.push_back(std::stoll(item));
  return torch::tensor(labels, torch::kLong);
}

torch::Tensor run_engine(const resnet::Model& model, const torch::Tensor& batch) {
  const resnet::Engine engine(resnet::expand(model.architecture), model.weights);
  const std::int64_t n = batch.size(0);
  torch::Tensor logits = torch::empty({n, model.architecture.classes}, torch::kFloat);
  engine.run({batch.const_data_ptr<float>(), static_cast<std::size_t>(batch.numel())},
             {n, batch.size(1), batch.size(2), batch.size(3)},
             {logits.mutable_data_ptr<float>(), static_cast<std::size_t>(logits.numel())});
  return logits;
}

void probe(const std::string& model_path, const std::string& batch_path, const std::string& labels,
           const std::string& out, bool nhwc) {
  const resnet::Model model = resnet::load_model(model_path);
  torch::Tensor batch = read_batch(batch_path);
  resnet::StateDict result;
  result.add("engine", resnet::from_torch(run_engine(model, batch)));
  if (nhwc) batch = batch.contiguous(at::MemoryFormat::ChannelsLast);
  resnet::ResNet net = resnet::torch_module(model);
  {
    const torch::NoGradGuard no_grad;
    net->eval();
    result.add("eval", resnet::from_torch(net->forward(batch)));
    net->train();
  }
  const torch::Tensor logits = net->forward(batch);
  const torch::Tensor loss = torch::cross_entropy_loss(logits, parse_labels(labels));
  loss.backward();
  result.add("logits", resnet::from_torch(logits));
  result.add("loss", resnet::from_torch(loss));
  for (const auto& item : net->named_parameters())
    result.add("grad." + item.key(), resnet::from_torch(item.value().grad()));
  for (const auto& [name, tensor] : resnet::state_dict(net)) result.add("state." + name, tensor);
  resnet::write_torch_file(result, out);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  try {
    probe(argv[1], argv[2], argv[3], argv[4], std::string(argv[5]) == "nhwc");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
