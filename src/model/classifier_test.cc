#include "resnet/classifier.h"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <thread>

#include "base/file.h"
#include "model/imagenet_classes.h"
#include "resnet/error.h"
#include "resnet/graph.h"

namespace resnet {
namespace {

Model random_model(int classes, int channels = 3, int width = 16, unsigned seed = 1) {
  Model model;
  Architecture& a = model.architecture;
  a.block = Block::kBasic;
  a.depths = {1, 1};
  a.widths = {8, width};
  a.stem = Stem::kCifar;
  a.stem_width = 8;
  a.classes = classes;
  a.in_channels = channels;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.1F, 0.2F);
  for (const Parameter& parameter : parameters(expand(a))) {
    Tensor tensor = Tensor::zeros(parameter.dtype, parameter.shape);
    if (parameter.dtype == DType::kF32) {
      for (float& value : tensor.mutable_f32()) value = std::abs(normal(random)) * (random() % 2 ? 1.0F : -1.0F);
      if (parameter.name.ends_with("running_var")) {
        for (float& value : tensor.mutable_f32()) value = 1 + std::abs(value);
      }
    }
    model.weights.add(parameter.name, tensor);
  }
  return model;
}

Image random_image(int seed, int side = 32) {
  Image image{side, side, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(side) * side * 3)};
  std::mt19937 random(static_cast<unsigned>(seed));
  for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(random());
  return image;
}

ClassifierOptions one_thread() {
  ClassifierOptions options;
  options.engine.threads = 1;
  return options;
}

TEST(ImagenetClassesTest, AreAThousandDifferentOnes) {
  const auto& names = imagenet_class_names();
  const auto& ids = imagenet_wordnet_ids();
  ASSERT_EQ(names.size(), 1000U);
  ASSERT_EQ(ids.size(), 1000U);
  EXPECT_EQ((std::set<std::string>(names.begin(), names.end()).size()), 1000U);
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end())) << "the outputs are in the order of the ids";
  for (const std::string& id : ids) EXPECT_TRUE(id.size() == 9 && id[0] == 'n') << id;
  EXPECT_EQ(names[0], "tench");
  EXPECT_EQ(names[134], "crane bird");
  EXPECT_EQ(names[517], "crane");
  EXPECT_EQ(names[999], "toilet tissue");
}

TEST(ClassifierTest, NamesClasses) {
  EXPECT_EQ(Classifier(random_model(3), one_thread()).labels(), (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_FALSE(Classifier(random_model(3), one_thread()).named());
  EXPECT_EQ(Classifier(random_model(1000), one_thread()).labels()[281], "tabby");
  EXPECT_TRUE(Classifier(random_model(1000), one_thread()).named());
  Model model = random_model(2);
  model.classes = {"cat", "dog"};
  EXPECT_EQ(Classifier(model, one_thread()).labels()[1], "dog");
  model.classes = {"cat"};
  EXPECT_THROW(Classifier(model, one_thread()), Error);
}

TEST(ClassifierTest, AssumesPreprocessingWhereNobodySaysIt) {
  EXPECT_EQ(Classifier(random_model(3), one_thread()).preprocessing(), preset("cifar"));
  EXPECT_TRUE(Classifier(random_model(3), one_thread()).preprocessing_assumed());
  EXPECT_EQ(assume_preprocessing(find_architecture("resnet50")), preset("torchvision"));
  EXPECT_EQ(Classifier(random_model(3, 1), one_thread()).preprocessing().mean, std::vector<float>{0});

  Model model = random_model(3);
  model.preprocessing = preset("timm");
  EXPECT_EQ(Classifier(model, one_thread()).preprocessing(), preset("timm"));
  EXPECT_FALSE(Classifier(model, one_thread()).preprocessing_assumed());
  ClassifierOptions options = one_thread();
  options.preprocessing = preset("torchvision-v2");
  EXPECT_EQ(Classifier(model, options).preprocessing(), preset("torchvision-v2"));
}

TEST(ClassifierTest, SortsProbabilities) {
  const Classifier classifier(random_model(4), one_thread());
  const auto guesses = classifier.top(std::vector<float>{1, 3, 1, 2}, 3);
  ASSERT_EQ(guesses.size(), 3U);
  EXPECT_EQ(guesses[0].index, 1);
  EXPECT_EQ(guesses[0].label, "1");
  EXPECT_EQ(guesses[1].index, 3);
  EXPECT_EQ(guesses[2].index, 0) << "before its equal";
  EXPECT_NEAR(guesses[0].probability, std::exp(3) / (2 * std::exp(1) + std::exp(2) + std::exp(3)), 1e-6);
  EXPECT_EQ(classifier.top(std::vector<float>{1, 3, 1, 2}, 9).size(), 4U);
  EXPECT_EQ(classifier.top(std::vector<float>{1e30F, 0, 0, 0}, 1)[0].probability, 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(classifier.top(std::vector<float>{nan, nan, 1, nan}, 4)[0].index, 2);
  EXPECT_THROW(classifier.top(std::vector<float>{1, 2}, 1), Error);
  EXPECT_THROW(classifier.top(std::vector<float>{1, 3, 1, 2}, 0), Error);
}

TEST(ClassifierTest, RefusesAnswersThatAreNotFinite) {
  Model model = random_model(3);
  model.weights.set("fc.weight", Tensor::from(std::vector<float>(48, 3e38F), {3, 16}));
  const std::string picture = RESNET_SOURCE_DIR "/tests/golden/image/33x31-RGB.jpg";
  ClassifierOptions options = one_thread();
  options.preprocessing = preset("cifar");
  options.preprocessing->resize = 32;
  const Classifier classifier(model, options);
  const auto refusal = [&](const auto& source) {
    try {
      classifier.classify(source);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      return error.where();
    }
    return std::string("nothing");
  };
  EXPECT_EQ(refusal(picture), picture);
  const std::vector<std::byte> bytes = read_file(picture);
  EXPECT_EQ(refusal(std::span<const std::byte>(bytes)), "picture");
  EXPECT_EQ(refusal(ImageView(random_image(1))), "picture");
  EXPECT_FALSE(std::isfinite(classifier.logits(std::vector{random_image(1)})[0])) << "as they are";
  options.allow_nonfinite = true;
  EXPECT_EQ(Classifier(model, options).classify(picture).size(), 3U);
}

TEST(ClassifierTest, ABatchGivesWhatItsPicturesGive) {
  const Classifier classifier(random_model(5), one_thread());
  const std::vector<Image> images = {random_image(1), random_image(2), random_image(3)};
  const std::vector<float> together = classifier.logits(images);
  ASSERT_EQ(together.size(), 15U);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::vector<float> alone = classifier.logits(std::span(&images[i], 1));
    for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(alone[c], together[5 * i + c], 1e-5);
  }
  EXPECT_TRUE(classifier.logits(std::span<const Image>()).empty());
  EXPECT_EQ(classifier.classify(images[0], 2)[0].index, classifier.top(std::span(together).first(5), 2)[0].index);
}

TEST(ClassifierTest, AFileItsBytesAndItsPixelsGiveTheSame) {
  Model model = random_model(5);
  model.preprocessing = preset("cifar");
  model.preprocessing->resize = 32;
  const Classifier classifier(std::move(model), one_thread());
  const std::string path = RESNET_SOURCE_DIR "/tests/golden/image/33x31-RGB.jpg";
  const std::vector<std::byte> file = read_file(path);
  const Image image = read_image(path);

  std::vector<float> expected(3 * 32 * 32);
  classifier.prepare(path, expected);
  std::vector<float> input(expected.size());
  classifier.prepare(file, input);
  EXPECT_EQ(input, expected);
  std::fill(input.begin(), input.end(), 0.0F);
  classifier.prepare(image, input);
  EXPECT_EQ(input, expected);
  EXPECT_THROW(classifier.prepare(path, std::span(input).first(10)), Error);

  const Guess guess = classifier.classify(path, 1).front();
  EXPECT_EQ(guess.probability, classifier.classify(file, 1).front().probability);
  EXPECT_EQ(guess.probability, classifier.classify(image, 1).front().probability);
  std::vector<std::uint8_t> others(file.size());  // as other libraries have bytes
  std::memcpy(others.data(), file.data(), file.size());
  EXPECT_EQ(guess.probability, classifier.classify(others, 1).front().probability);
  EXPECT_EQ(decode_image(others, "others").pixels, image.pixels);
  EXPECT_EQ(guess.index, classifier.top(classifier.logits(expected, classifier.input_shape()), 1).front().index);
}

TEST(ClassifierTest, RefusesPixelsThatAreNotAsManyAsTheSizesSay) {
  const Classifier classifier(random_model(5), one_thread());
  const Image image = random_image(1);
  const auto with = [&](int width, int height, int channels, std::size_t bytes) {
    return ImageView(width, height, channels, std::span(image.pixels).first(bytes));
  };
  EXPECT_NO_THROW(classifier.classify(with(32, 32, 3, 3072), 1));
  EXPECT_THROW(classifier.classify(with(32, 32, 3, 3071), 1), Error);
  EXPECT_THROW(classifier.classify(with(32, -32, 3, 3072), 1), Error);
  EXPECT_THROW(classifier.classify(with(0, 0, 3, 0), 1), Error);
  EXPECT_THROW(classifier.classify(with(32, 32, 1, 1024), 1), Error);
}

TEST(ClassifierTest, RefusesPicturesOfTheWrongSize) {
  const Classifier classifier(random_model(5), one_thread());
  EXPECT_THROW(classifier.classify(random_image(1, 40), 1), Error) << "CIFAR's preprocessing resizes nothing";
  EXPECT_THROW(classifier.classify("/absent.jpg", 1), Error);
}

// The promise of the header: one classifier, several threads, each with its own answers.
TEST(ConcurrencyClassifierTest, RunsSideBySide) {
  const Classifier classifier(random_model(5), one_thread());
  constexpr int kThreads = 4;
  std::vector<std::vector<float>> expected;
  for (int i = 0; i < kThreads; ++i) {
    const Image image = random_image(i);
    expected.push_back(classifier.logits(std::span(&image, 1)));
  }
  const Classifier fresh(random_model(5), one_thread());  // has no plan yet: the threads make it
  std::vector<int> wrong(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const Image image = random_image(i);
      for (int repeat = 0; repeat < 10; ++repeat) wrong[i] += fresh.logits(std::span(&image, 1)) != expected[i];
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(kThreads));
}

// A model of more bytes than are read at once, in a file that others write to.
class ChangingModelTest : public ::testing::Test {
 protected:
  ChangingModelTest() {
    save(1);
    expected_ = answers(Classifier(large(1), one_thread()));
  }
  ~ChangingModelTest() override { std::filesystem::remove(path_); }

  static Model large(unsigned seed) {
    Model model = random_model(5, 3, 512, seed);
    model.preprocessing = preset("cifar");
    return model;
  }

  // In place, as cp does.
  void save(unsigned seed) const {
    const std::string other = path_ + ".other.safetensors";
    save_model(large(seed), other);
    const std::vector<std::byte> bytes = read_file(other);
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    std::filesystem::remove(other);
  }

  static std::vector<std::vector<float>> answers(const Classifier& classifier) {
    std::vector<std::vector<float>> all;
    for (const FeatureShape& shape : kShapes) all.push_back(answer(classifier, shape));
    return all;
  }

  static std::vector<float> answer(const Classifier& classifier, const FeatureShape& shape) {
    std::vector<float> input(static_cast<std::size_t>(shape.count()));
    for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<float>(i % 17) / 17;
    return classifier.logits(input, shape);
  }

  // The answers that it had, or an error that names the file. Gives the number of errors.
  int errors_of(const Classifier& classifier) const {
    int errors = 0;
    for (std::size_t i = 0; i < std::size(kShapes); ++i) {
      try {
        EXPECT_EQ(answer(classifier, kShapes[i]), expected_[i]);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kIo);
        EXPECT_EQ(error.where(), path_);
        ++errors;
      }
    }
    return errors;
  }

  static constexpr FeatureShape kShapes[] = {{1, 3, 32, 32}, {7, 3, 32, 32}, {1, 3, 64, 64}, {32, 3, 8, 8}};
  std::string path_ = std::filesystem::temp_directory_path() / fmt::format("resnet-model-{}.safetensors", getpid());
  std::vector<std::vector<float>> expected_;
};

TEST_F(ChangingModelTest, GivesItsAnswersOrAnError) {
  const Classifier before = Classifier::load(path_, one_thread());
  const Classifier warm = Classifier::load(path_, one_thread());
  const Classifier hot = Classifier::load(path_, one_thread());
  EXPECT_EQ(answer(warm, kShapes[0]), expected_[0]);
  EXPECT_EQ(errors_of(hot), 0);
  for (const bool shorter : {false, true}) {
    shorter ? std::filesystem::resize_file(path_, 1000) : save(2);
    EXPECT_EQ(errors_of(before), static_cast<int>(std::size(kShapes)));
    EXPECT_LT(errors_of(warm), static_cast<int>(std::size(kShapes)));
    EXPECT_EQ(errors_of(hot), 0);
  }
  save(1);
  EXPECT_EQ(errors_of(warm), 0) << "its bytes are there again";
}

TEST_F(ChangingModelTest, OutlivesItsName) {
  const Classifier classifier = Classifier::load(path_, one_thread());
  std::filesystem::rename(path_, path_ + ".old");
  save(2);
  std::filesystem::remove(path_ + ".old");
  EXPECT_EQ(errors_of(classifier), 0);
}

}  // namespace
}  // namespace resnet
