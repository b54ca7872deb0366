// How often a model is right, class by class, on a folder of class folders: evaluate MODEL FOLDER
#include <resnet/tools.h>

#include <cstdio>

int main(int argc, char** argv) try {
  const auto model = resnet::Classifier::load(argc > 1 ? argv[1] : "model.safetensors");
  const resnet::DataReport report = resnet::evaluate(model, {.path = argc > 2 ? argv[2] : "photos/val"});
  for (const std::string& note : report.notes) std::fprintf(stderr, "%s\n", note.c_str());
  for (const resnet::ClassReport& one : report.classes) {
    if (one.pictures > 0) std::printf("%6.2f %%  %s\n", 100 * one.recall, one.label.c_str());
  }
  std::printf("%6.2f %%  of %lld pictures\n", 100 * report.top1, static_cast<long long>(report.pictures));
} catch (const resnet::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
