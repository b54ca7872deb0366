// The most probable classes of a picture: classify MODEL PICTURE
#include <resnet/classifier.h>

#include <cstdio>

int main(int argc, char** argv) try {
  const auto model = resnet::Classifier::load(argc > 1 ? argv[1] : "model.safetensors");
  for (const auto& guess : model.classify(argc > 2 ? argv[2] : "cat.jpg", 5))
    std::printf("%5.1f %%  %s\n", 100 * guess.probability, guess.label.c_str());
} catch (const resnet::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
