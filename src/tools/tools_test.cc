#include "resnet/tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "weights/initialize.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Model small_model() {
  Model model;
  Architecture& a = model.architecture;
  a.block = Block::kBasic;
  a.depths = {1};
  a.widths = {8};
  a.stem = Stem::kCifar;
  a.stem_width = 8;
  a.classes = 2;
  model.weights = initial_weights(expand(a), 1);
  model.preprocessing = preset("cifar");
  return model;
}

// Class folders "cat" and "dog" of 8 and 4 pictures, which differ.
class ToolsTest : public ::testing::Test {
 protected:
  ToolsTest() : folder_(::testing::TempDir() + "tools_test-" + std::to_string(::getpid())) {
    for (int i = 0; i < 12; ++i) {
      const std::filesystem::path place = std::filesystem::path(folder_) / (i < 8 ? "cat" : "dog");
      std::filesystem::create_directories(place);
      Image image{32, 32, 3, std::vector<std::uint8_t>(32 * 32 * 3)};
      for (std::size_t k = 0; k < image.pixels.size(); ++k) {
        image.pixels[k] = static_cast<std::uint8_t>((k * static_cast<std::size_t>(7 + i)) % 251);
      }
      write_image((place / (std::to_string(i) + ".png")).string(), image);
    }
  }
  ~ToolsTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(ToolsTest, JudgesAFolder) {
  Model model = small_model();
  model.classes = {"cat", "dog"};
  model.weights.set("fc.weight", Tensor::zeros(DType::kF32, {2, 8}));
  model.weights.set("fc.bias", Tensor::from(std::vector<float>{3, 1}, {2}));  // always a cat
  const Classifier classifier(model);
  std::int64_t last = 0;
  const DataReport report = evaluate(classifier, {folder_}, {.progress = [&](std::int64_t done, std::int64_t of) {
                                       last = done;
                                       EXPECT_EQ(of, 12);
                                     }});
  EXPECT_EQ(last, 12);
  EXPECT_EQ(report.pictures, 12);
  EXPECT_DOUBLE_EQ(report.top1, 8.0 / 12);
  EXPECT_DOUBLE_EQ(report.top5, 1);
  ASSERT_THAT(report.classes, SizeIs(2));
  EXPECT_EQ(report.classes[0].label, "cat");
  EXPECT_EQ(report.classes[0].predicted, 12);
  EXPECT_DOUBLE_EQ(report.classes[0].recall, 1);
  EXPECT_DOUBLE_EQ(report.classes[1].recall, 0);
  EXPECT_THAT(report.confused, ElementsAre(8, 0, 4, 0));
  EXPECT_THAT(report.notes, IsEmpty());
  EXPECT_EQ(evaluate(classifier, {.path = folder_, .limit = 6}).pictures, 6);
}

TEST_F(ToolsTest, SaysWhatItAssumesAndRefusesWhatCannotBeMeant) {
  const Classifier nameless(small_model());
  EXPECT_THAT(evaluate(nameless, {folder_}).notes, ElementsAre(HasSubstr("cat, dog in alphabetical order")));
  EXPECT_THROW(evaluate(nameless, {folder_ + "/absent"}), Error);
  Model model = small_model();
  model.classes = {"cat", "cow"};
  try {
    evaluate(Classifier(model), {folder_});
    FAIL() << "dog is no class of the model";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kMismatch);
    EXPECT_THAT(error.what(), HasSubstr("dog"));
  }
}

TEST_F(ToolsTest, MakesAnInt8Model) {
  const Model model = small_model();
  std::int64_t calls = 0;
  const QuantizedModel made = quantize(model, PictureSet{folder_},
                                       {.min_agreement = 0, .progress = [&](std::int64_t, std::int64_t) { ++calls; }});
  EXPECT_EQ(made.images, 12);
  EXPECT_GT(calls, 12);
  EXPECT_EQ(Classifier(made.model).engine().precision(), Precision::kInt8);
}

}  // namespace
}  // namespace resnet
