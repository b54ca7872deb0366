// A training loop with LibTorch, in thirty lines: a small ResNet learns to tell dark pictures from bright ones and
// becomes a model file that `resnet predict` runs.
#include <resnet/torch.h>

#include <cstdio>

int main(int argc, char** argv) {
  torch::manual_seed(1);
  resnet::ResNet net(resnet::Block::kBasic, std::vector<int>{1, 1}, /*image_channels=*/3, /*num_classes=*/2);
  torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(0.02).momentum(0.9).nesterov(true));

  net->train();
  double loss_now = 0;
  for (int step = 1; step <= 30; ++step) {
    const torch::Tensor labels = torch::randint(2, {16}, torch::kLong);
    const torch::Tensor images = torch::randn({16, 3, 32, 32}) + labels.view({16, 1, 1, 1});
    const torch::Tensor loss = torch::cross_entropy_loss(net->forward(images), labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    loss_now = loss.item<double>();
    if (step % 10 == 0) std::printf("step %d, loss %.4f\n", step, loss_now);
  }

  resnet::Model model = resnet::to_model(net);
  model.classes = {"dark", "bright"};
  resnet::save_model(model, argc > 1 ? argv[1] : "bright.safetensors");
  return loss_now < 0.3 ? 0 : 1;  // it learned
}
