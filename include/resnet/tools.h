// What is done with a model and a set of pictures, for programs that embed the library: it is judged, and made int8, as
// `resnet eval` and `resnet quantize` do. Part of resnet::tools, which also has resnet/quantize.h and resnet/onnx.h.
//
//   const resnet::Classifier model = resnet::Classifier::load("m.safetensors");
//   const resnet::DataReport report = resnet::evaluate(model, {.path = "photos/val"});
//   std::printf("%.2f %% of %lld are right\n", 100 * report.top1, static_cast<long long>(report.pictures));
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "resnet/classifier.h"
#include "resnet/quantize.h"

namespace resnet {

// Pictures: a folder of class folders, an archive of such (.tar, .tar.gz, .zip and others), or CIFAR's files.
struct PictureSet {
  std::string path;
  std::string only = {};         // this folder of it alone, such as "val"
  std::string labels_file = {};  // says the files and their classes; else their folders do
  std::int64_t limit = -1;       // pictures at most, spread evenly over the classes, the same ones each time; -1: all
};

// Of one class. What is divided by 0 is 0.
struct ClassReport {
  std::string label;
  std::int64_t pictures = 0;   // of the class
  std::int64_t predicted = 0;  // taken for it
  std::int64_t right = 0;
  double precision = 0;  // right / predicted
  double recall = 0;     // right / pictures
  double f1 = 0;         // 2 right / (predicted + pictures)
};

struct DataReport {
  std::int64_t pictures = 0;           // that were classified
  std::int64_t skipped = 0;            // that could not be read
  double top1 = 0, top5 = 0;           // share whose class has the highest score, is among the five highest
  double loss = 0;                     // mean of -log softmax(logits)[class]
  double pictures_per_second = 0;      // reading and decoding included
  std::vector<ClassReport> classes;    // in the model's order
  std::vector<std::int64_t> confused;  // classes x classes: pictures of the row's class taken for the column's
  std::vector<std::string> notes;      // for people: what was assumed of the set
};

struct EvaluateDataOptions {
  int batch = 16;         // pictures that run through the network together
  bool skip_bad = false;  // count pictures that cannot be read instead of stopping at the first

  // Called from the calling thread with the number of pictures seen.
  std::function<void(std::int64_t done, std::int64_t of)> progress = {};
};

// Judges `model` on pictures whose classes are known. Labels are matched to the model's class names, to WordNet ids
// where the classes are ImageNet's, or to indexes; `notes` says where that was assumed. Throws kMismatch where labels
// fit no class, kUnsupported for a backbone and at the first picture whose scores are not finite, kFormat where no
// picture could be classified, and what reading throws. May be called from several threads.
DataReport evaluate(const Classifier& model, const PictureSet& pictures, const EvaluateDataOptions& options = {});

struct QuantizeDataOptions {
  double min_agreement = 0.98;  // share of the pictures whose most probable class must stay the same
  int threads = 0;              // 0: one per processor

  // Called from the calling thread, in two rounds: pictures read, then pieces of work done, of about `of`.
  std::function<void(std::int64_t done, std::int64_t of)> progress = {};
};

// An int8 model of one in floating point, calibrated on pictures, which need no classes. Of more than 512 pictures, so
// many are taken unless `limit` says otherwise. Throws what quantize() and reading throw.
QuantizedModel quantize(const Model& model, const PictureSet& pictures, const QuantizeDataOptions& options = {});

// The table of `resnet summary`: a row per layer with output shape, parameters and multiplications, for one picture.
std::string summary(const Graph& graph, const FeatureShape& input);

}  // namespace resnet
