// A model file made ready to classify pictures:
//
//   auto model = resnet::Classifier::load("m.safetensors");
//   for (const auto& guess : model.classify("cat.jpg", 5))
//     std::printf("%-20s %.1f %%\n", guess.label.c_str(), 100 * guess.probability);
//
// All const member functions may be called from several threads at the same time and run side by side; no lock is held
// while computing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resnet/architecture.h"
#include "resnet/engine.h"
#include "resnet/error.h"
#include "resnet/graph.h"
#include "resnet/image.h"
#include "resnet/model_file.h"
#include "resnet/preprocessing.h"

namespace resnet {

struct Guess {
  int index = 0;          // of the class
  std::string label;      // its name, or its index as text where the model has no names
  float probability = 0;  // softmax over all classes
};

struct ClassifierOptions {
  EngineOptions engine;
  std::optional<Architecture> architecture;    // instead of the file's
  std::optional<Preprocessing> preprocessing;  // instead of the file's
  bool allow_nonfinite = false;                // in the file's weights (LoadOptions) and in what classify() answers

  // Of a file that holds several networks or heads, or does not say all of its network, as LoadOptions has them.
  std::string take = {};
  std::string head = {};
  ArchitectureChanges changes = {};
};

// What is likely right for a network where nobody says more: preset("cifar") for one with the CIFAR stem, else
// preset("torchvision"); values in 0..1 as they are where the network does not take 3 channels.
Preprocessing assume_preprocessing(const Architecture& architecture);

// Throws kUnsupported where the network has no head and so names no classes. `where` names the model.
void require_head(const Architecture& architecture, std::string_view where);

class Classifier {
 public:
  // Models of 1,000 outputs that have no class names get those of ImageNet. Throws what load_model throws, and
  // kMismatch where the number of names is not that of the outputs, or the preprocessing has other channels.
  static Classifier load(const std::string& path, const ClassifierOptions& options = {});
  explicit Classifier(Model model, const ClassifierOptions& options = {});
  ~Classifier();
  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;

  const Architecture& architecture() const noexcept;
  const std::vector<std::string>& labels() const noexcept;  // one per class; none of a backbone
  bool named() const noexcept;  // false: the labels are indices, because nobody said the names
  const Preprocessing& preprocessing() const noexcept;

  // Neither the file nor the options said it: assume_preprocessing() did.
  bool preprocessing_assumed() const noexcept;

  // What people should know of how the file was read, a line each: what was decided, and what was assumed because
  // nobody says it, as fields that ClassifierOptions::changes takes ("stem_pool=max"). Empty where the file says all.
  const std::vector<std::string>& notes() const noexcept;

  const Engine& engine() const noexcept;

  // Of one picture as preprocessing() makes it: 1 x channels x height x width.
  FeatureShape input_shape() const noexcept;

  // The `top` most probable classes (all where there are fewer), most probable first: of a file as load_input() takes
  // it, of the bytes of one, of pixels. Throws kUnsupported where a score is not finite and the options do not allow
  // it, and for a backbone.
  std::vector<Guess> classify(const std::string& path, int top = 5) const;
  std::vector<Guess> classify(std::span<const std::byte> file, int top = 5) const;
  std::vector<Guess> classify(std::span<const std::uint8_t> file, int top = 5) const {
    return classify(std::as_bytes(file), top);
  }
  std::vector<Guess> classify(const ImageView& image, int top = 5) const;

  // Makes the tensor of a picture: input_shape().count() values. kMismatch where `out` has others. `where` names the
  // bytes in errors.
  void prepare(const std::string& path, std::span<float> out) const;
  void prepare(std::span<const std::byte> file, std::span<float> out, std::string_view where = "picture") const;
  void prepare(std::span<const std::uint8_t> file, std::span<float> out, std::string_view where = "picture") const {
    prepare(std::as_bytes(file), out, where);
  }
  void prepare(const ImageView& image, std::span<float> out) const;

  // One row of class scores per picture: images.size() x classes, or of a backbone its features. They are what the
  // network computes, finite or not.
  std::vector<float> logits(std::span<const Image> images) const;

  // The same for a tensor that is already preprocessed (NCHW).
  std::vector<float> logits(std::span<const float> input, const FeatureShape& shape) const;

  // Softmax and sort of one row of logits. Throws kUnsupported for a backbone.
  std::vector<Guess> top(std::span<const float> logits, int count) const;

 private:
  template <typename Picture>
  std::vector<Guess> classify_one(const Picture& picture, int top, std::string_view where) const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace resnet
