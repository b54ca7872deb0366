// Properties of what is drawn at random, and of changes whose answer is plain. That bytes are Pillow's is the matter of
// tests/reference/augment_parity.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "augment/affine.h"
#include "augment/augmentation.h"
#include "augment/color.h"
#include "augment/crop.h"
#include "augment/policy.h"
#include "augment/tensor.h"
#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Image make_noise(int width, int height, int channels, std::uint64_t seed = 1) {
  Random random(seed);
  Image image{width, height, channels, {}};
  for (int i = 0; i < width * height * channels; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  }
  return image;
}

int width_of(const Window& window) { return window.right - window.left; }
int height_of(const Window& window) { return window.bottom - window.top; }

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(PropertyCropTest, ResizedCropsHaveTheAreaAndTheRatioAskedFor) {
  const RandomResizedCrop crop;
  Random random(1);
  double area = 0;
  constexpr int kCount = 20'000;
  for (int i = 0; i < kCount; ++i) {
    const Window window = choose_resized_crop(crop, 500, 375, random);
    ASSERT_TRUE(window.left >= 0 && window.top >= 0 && window.right <= 500 && window.bottom <= 375);
    const double part = width_of(window) * height_of(window) / (500.0 * 375);
    const double ratio = static_cast<double>(width_of(window)) / height_of(window);
    ASSERT_TRUE(part > 0.078 && part <= 1.0) << part;
    ASSERT_TRUE(ratio > 0.74 && ratio < 1.35) << ratio;
    area += part;
  }
  // An area a of a picture of ratio 4/3 fits for ratios above 4a/3: always below 9/16, then for -log(a) / log(16/9) of
  // them. The mean of the areas that fit is 0.432.
  EXPECT_NEAR(area / kCount, 0.432, 0.01);
}

TEST(PropertyCropTest, ResizedCropsFallBackToTheCentre) {
  Random random(1);
  const RandomResizedCrop whole{1, 1, 0.75, 4.0 / 3};
  const Window wide = choose_resized_crop(whole, 400, 100, random);  // no ratio of the range has the area
  EXPECT_EQ(width_of(wide), 133);
  EXPECT_EQ(height_of(wide), 100);
  EXPECT_EQ(wide.left, 133);
  const Window high = choose_resized_crop(whole, 100, 400, random);
  EXPECT_EQ(width_of(high), 100);
  EXPECT_EQ(height_of(high), 133);
  for (const auto& [width, height] : {std::pair(1, 1), {1, 1000}, {1000, 1}, {2, 3}}) {
    for (int i = 0; i < 100; ++i) {
      const Window window = choose_resized_crop({}, width, height, random);
      ASSERT_TRUE(window.left >= 0 && window.left < window.right && window.right <= width);
      ASSERT_TRUE(window.top >= 0 && window.top < window.bottom && window.bottom <= height);
    }
  }
}

TEST(PropertyCropTest, PaddedCropsReachEveryPlaceEqually) {
  Random random(1);
  std::map<std::pair<int, int>, int> counts;
  for (int i = 0; i < 25'000; ++i) {
    const Window window = choose_padded_crop({2}, 32, 32, 32, 32, random);
    ++counts[{window.left, window.top}];
  }
  EXPECT_EQ(counts.size(), 25U);
  for (const auto& [corner, count] : counts) EXPECT_NEAR(count, 1000, 5 * 31) << "five standard deviations";
  EXPECT_EQ(choose_padded_crop({0}, 10, 10, 14, 10, random).left, -2) << "too small: centred";
}

TEST(CropTest, PaddedCropIsBlackOutside) {
  const Image image{2, 2, 1, {1, 2, 3, 4}};
  EXPECT_THAT(padded_crop(image, {-1, -1, 2, 2}).pixels, ElementsAre(0, 0, 0, 0, 1, 2, 0, 3, 4));
  EXPECT_THAT(padded_crop(image, {1, 1, 3, 3}).pixels, ElementsAre(4, 0, 0, 0));
  EXPECT_THAT(padded_crop(image, {5, 0, 7, 1}).pixels, ElementsAre(0, 0));
}

TEST(CropTest, FlipMirrors) {
  for (const int width : {1, 2, 5}) {
    const Image image = make_noise(width, 3, 3);
    Image flipped = image;
    flip_horizontally(flipped);
    for (int y = 0; y < 3; ++y) {
      for (int x = 0; x < width * 3; ++x) {
        const int from = (y * width + width - 1 - x / 3) * 3 + x % 3;
        ASSERT_EQ(flipped.pixels[static_cast<std::size_t>(y * width * 3 + x)],
                  image.pixels[static_cast<std::size_t>(from)]);
      }
    }
  }
}

TEST(ColorTest, FactorOneChangesNothing) {
  for (const int channels : {1, 3}) {
    const Image image = make_noise(9, 7, channels);
    for (const auto change : {adjust_brightness, adjust_contrast, adjust_saturation, adjust_sharpness}) {
      Image changed = image;
      change(changed, 1);
      EXPECT_EQ(changed.pixels, image.pixels);
    }
  }
}

TEST(ColorTest, JitterOfNothingIsNothing) {
  const Image image = make_noise(9, 7, 3);
  Image changed = image;
  Random random(1);
  jitter_colors(changed, {}, random);
  EXPECT_EQ(changed.pixels, image.pixels);
  jitter_colors(changed, {.brightness = 0.5}, random);
  EXPECT_NE(changed.pixels, image.pixels);
}

TEST(AffineTest, RightAnglesAreExact) {
  const Image image = make_noise(6, 6, 3);
  EXPECT_EQ(rotate(image, 0).pixels, image.pixels);
  EXPECT_EQ(rotate(image, 360).pixels, image.pixels);
  Image turned = image;
  for (int i = 0; i < 4; ++i) turned = rotate(turned, 90);
  EXPECT_EQ(turned.pixels, image.pixels);
  EXPECT_EQ(rotate(rotate(image, 90), 90).pixels, rotate(image, -180).pixels);
  EXPECT_NE(rotate(image, 90).pixels, image.pixels);
  EXPECT_EQ(translate(image, 6, 0).pixels, std::vector<std::uint8_t>(image.pixels.size()));
}

TEST(PropertyPolicyTest, DrawsEveryChangeAlike) {
  Image image = make_noise(16, 16, 3);
  for (std::size_t i = 0; i < 6; ++i) image.pixels[i] = i < 3 ? 0 : 255;
  Random random(1);
  int same = 0;
  constexpr int kCount = 4200;
  for (int i = 0; i < kCount; ++i) {
    Image changed = image;
    trivial_augment(changed, random);
    if (changed.pixels == image.pixels) ++same;
  }
  // Two of the 14 change nothing: identity, and auto-contrast of a picture that has all of the range. Nor do nine with
  // the first of their 31 bins, and posterising with the first three, which keep 8 bits.
  const double expected = kCount / 14.0 * (2 + 12 / 31.0);
  EXPECT_NEAR(same, expected, 5 * std::sqrt(expected));
}

TEST(PolicyTest, MagnitudesAreThoseOfThePapers) {
  EXPECT_NEAR(trivial_magnitude(Change::kTranslateX, 15), 16, 1e-5);
  EXPECT_EQ(trivial_magnitude(Change::kPosterize, 30), 2);
  EXPECT_EQ(trivial_magnitude(Change::kSolarize, 0), 255);
  EXPECT_EQ(trivial_magnitude(Change::kRotate, 30), 135);
  EXPECT_EQ(rand_magnitude(Change::kPosterize, 30, 224, 224), 4);
  EXPECT_NEAR(rand_magnitude(Change::kTranslateY, 30, 1, 331), 150, 1e-4);
  EXPECT_EQ(rand_magnitude(Change::kEqualize, 9, 224, 224), 0);
}

TEST(PropertyErasingTest, StaysWithinItsBounds) {
  RandomErasing erasing;
  erasing.probability = 0.25;
  Random random(1);
  int erased = 0;
  constexpr int kCount = 20'000;
  for (int i = 0; i < kCount; ++i) {
    const Window window = choose_erasing(erasing, 64, 48, random);
    if (width_of(window) == 0) continue;
    ++erased;
    ASSERT_TRUE(window.left >= 0 && window.top >= 0 && window.right <= 64 && window.bottom <= 48);
    const double part = width_of(window) * height_of(window) / (64.0 * 48);
    ASSERT_TRUE(part > 0.015 && part < 0.35) << part;
  }
  EXPECT_NEAR(erased, kCount * 0.25, 5 * std::sqrt(kCount * 0.25 * 0.75));
}

TEST(TensorTest, ErasesTheWindowAlone) {
  for (const bool channels_last : {false, true}) {
    const Layout layout{2, 3, 4, channels_last};
    std::vector<float> values(layout.size(), 1);
    erase(values, layout, {1, 0, 3, 2});
    for (int c = 0; c < 2; ++c) {
      for (int y = 0; y < 3; ++y) {
        for (int x = 0; x < 4; ++x) {
          const int at = channels_last ? (y * 4 + x) * 2 + c : (c * 3 + y) * 4 + x;
          EXPECT_EQ(values[static_cast<std::size_t>(at)], x >= 1 && x < 3 && y < 2 ? 0 : 1);
        }
      }
    }
    erase(values, layout, {});
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0.0F), 16);
  }
}

TEST(TensorTest, MixesWithTheOneBefore) {
  const Layout layout{1, 1, 2, false};
  std::vector<float> values = {1, 2, 10, 20, 100, 200};
  mixup(values, layout, 0.75);
  EXPECT_THAT(values, ElementsAre(25.75F, 51.5F, 7.75F, 15.5F, 77.5F, 155.0F));
  values = {1, 2, 10, 20, 100, 200};
  cutmix(values, layout, {1, 0, 2, 1});
  EXPECT_THAT(values, ElementsAre(1, 200, 10, 2, 100, 20));
  values = {1, 2};
  mixup(values, layout, 0.5);
  EXPECT_THAT(values, ElementsAre(1, 2)) << "nothing to mix with";
}

TEST(PropertyMixTest, CutmixKeepsTheWeight) {
  Random random(1);
  double sum = 0;
  for (int i = 0; i < 2000; ++i) {
    const double weight = draw_beta(1, random);
    const Window window = choose_cutmix(weight, 40, 30, random);
    ASSERT_TRUE(window.left >= 0 && window.top >= 0 && window.right <= 40 && window.bottom <= 30);
    ASSERT_TRUE(window.left <= window.right && window.top <= window.bottom);
    const double left = mixed_weight(window, 40, 30);
    ASSERT_GE(left, weight - 1e-9) << "cut at the border, rounded down";
    sum += left;
  }
  EXPECT_GT(sum / 2000, 0.5);
}

TEST(PropertyMixTest, BetaHasItsMoments) {
  for (const double alpha : {0.1, 0.2, 1.0, 3.0}) {
    Random random(1);
    constexpr int kCount = 50'000;
    double mean = 0;
    double variance = 0;
    for (int i = 0; i < kCount; ++i) {
      const double x = draw_beta(alpha, random);
      ASSERT_TRUE(x >= 0 && x <= 1);
      mean += x / kCount;
      variance += (x - 0.5) * (x - 0.5) / kCount;
    }
    EXPECT_NEAR(mean, 0.5, 0.012) << alpha;
    EXPECT_NEAR(variance, 1 / (4 * (2 * alpha + 1)), 0.005) << alpha;
  }
}

TEST(AugmentationTest, RefusesWhatMakesNoSense) {
  const auto error = [](auto change) -> std::string {
    Augmentation augmentation;
    change(augmentation);
    try {
      validate(augmentation);
    } catch (const Error& failure) {
      return failure.what();
    }
    return "no error";
  };
  EXPECT_EQ(error([](auto&) {}), "no error");
  EXPECT_THAT(error([](auto& a) { a.flip = 1.5; }), HasSubstr("flip: 1.5 is not between 0 and 1"));
  EXPECT_THAT(error([](auto& a) { a.flip = kNan; }), HasSubstr("flip: nan"));
  EXPECT_THAT(error([](auto& a) { a.mixup = -1; }), HasSubstr("mixup: -1"));
  EXPECT_THAT(error([](auto& a) { a.cutmix = kNan; }), HasSubstr("cutmix: nan"));
  EXPECT_THAT(error([](auto& a) { a.jitter.hue = 0.6; }), HasSubstr("hue: 0.6"));
  EXPECT_THAT(error([](auto& a) { a.jitter.brightness = kNan; }), HasSubstr("brightness: nan"));
  EXPECT_THAT(error([](auto& a) { a.erasing.max_area = 2; }), HasSubstr("area of erasing: 2"));
  EXPECT_THAT(error([](auto& a) { a.resized_crop.emplace().min_area = 0; }), HasSubstr("area of the random crop: 0"));
  EXPECT_THAT(error([](auto& a) { a.resized_crop.emplace().max_ratio = 0.5; }), HasSubstr("ratio of the random crop"));
  EXPECT_THAT(error([](auto& a) { a.padded_crop.emplace().padding = -1; }), HasSubstr("padding: -1"));
  EXPECT_THAT(error([](auto& a) { a.rand_augment.emplace().magnitude = 31; }), HasSubstr("RandAugment: 31"));
  EXPECT_THAT(error([](auto& a) {
                a.resized_crop.emplace();
                a.padded_crop.emplace();
              }),
              HasSubstr("exclude each other"));
  EXPECT_THAT(error([](auto& a) {
                a.trivial_augment = true;
                a.rand_augment.emplace();
              }),
              HasSubstr("exclude each other"));
}

}  // namespace
}  // namespace resnet
