#include "image/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "base/isa_test_support.h"
#include "image/test_pictures.h"
#include "resnet/error.h"

namespace resnet {
namespace {

constexpr Interpolation kBoth[] = {Interpolation::kBilinear, Interpolation::kBicubic};

View whole(const Image& image) { return {image.pixels, image.width, image.height, image.channels, 0, 0}; }

TEST(ResampleTest, WeightsAddUpToOne) {
  for (const Interpolation interpolation : kBoth) {
    for (const auto& [in, out] : {std::pair(500, 256), {3, 7}, {1, 224}, {1000, 3}, {257, 256}}) {
      const Axis axis = make_axis(in, out, interpolation, 0, out);
      for (int i = 0; i < axis.size(); ++i) {
        const auto begin = axis.weights.begin() + static_cast<std::ptrdiff_t>(i) * axis.stride;
        const std::int64_t sum = std::accumulate(begin, begin + axis.stride, std::int64_t{0});
        EXPECT_NEAR(static_cast<double>(sum), 1 << kWeightBits, axis.stride) << in << " to " << out << " at " << i;
        EXPECT_GE(axis.first[i], 0);
        EXPECT_LE(axis.first[i] + axis.count[i], in);
        EXPECT_GT(axis.count[i], 0);
      }
    }
  }
}

TEST(ResampleTest, HalvesAreTheWeights) {
  const Axis axis = make_axis(97, 31, Interpolation::kBicubic, 0, 31);
  for (std::size_t i = 0; i < axis.weights.size(); ++i) {
    const std::size_t group = i / 4 * 8 + i % 4;
    EXPECT_EQ(axis.weights[i], axis.halves[group] * 2048 + axis.halves[group + 4]);
  }
}

TEST(ResampleTest, HalvesAStripeByHand) {
  // Triangle of support 2 around 1: weights 1, 3, 3, 1 of 8 at inputs -1 to 2, of which those inside count.
  const Image image{4, 1, 1, {0, 70, 140, 210}};
  const Image half = resize(image, 2, 1, Interpolation::kBilinear);
  EXPECT_EQ(half.pixels, (std::vector<std::uint8_t>{50, 160}));  // (3*0 + 3*70 + 140) / 7, and its mirror
}

TEST(ResampleTest, FlatStaysFlat) {
  for (const Interpolation interpolation : kBoth) {
    const Image image{13, 9, 3, std::vector<std::uint8_t>(13 * 9 * 3, 255)};
    const Image result = resize(image, 29, 4, interpolation);
    EXPECT_TRUE(std::ranges::all_of(result.pixels, [](std::uint8_t value) { return value == 255; }));
  }
}

TEST(ResampleTest, RefusesImpossibleSizes) {
  const Image image = testing::make_picture(4, 4, 3);
  EXPECT_THROW(resize(image, 0, 4, Interpolation::kBilinear), Error);
  EXPECT_THROW(resize(image, 4, 65'536, Interpolation::kBilinear), Error);
  EXPECT_THROW(resize(image, 65'535, 65'535, Interpolation::kBilinear), Error);
}

TEST(ResampleTest, TakesTheKernelsThatRESNET_ISANames) {
  EXPECT_EQ(&resample_kernels(Isa::kRef), &portable_resample_kernels());
  const Image image = testing::make_picture(4, 4, 3);
  const ForcedIsa unknown("mmx");
  EXPECT_THROW(resize(image, 2, 2, Interpolation::kBilinear), Error);
}

TEST(PropertyResampleTest, PartsEqualTheWhole) {
  std::mt19937 random(3);
  const auto up_to = [&](int n) { return 1 + static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 200; ++round) {
    const Image image = testing::make_picture(up_to(60), up_to(60), round % 3 == 0 ? 1 : 3, random());
    const int width = up_to(80);
    const int height = up_to(80);
    const Interpolation interpolation = kBoth[round % 2];
    const Image result = resize(image, width, height, interpolation);
    const int left = up_to(width) - 1;
    const int right = left + up_to(width - left);
    const int top = up_to(height) - 1;
    const int bottom = top + up_to(height - top);
    const Image part = resample(whole(image), make_axis(image.width, width, interpolation, left, right),
                                make_axis(image.height, height, interpolation, top, bottom),
                                first_pass(image.width, image.height, width, height));
    for (int y = top; y < bottom; ++y) {
      const auto row = static_cast<std::ptrdiff_t>(part.width) * part.channels;
      EXPECT_TRUE(std::equal(part.pixels.begin() + (y - top) * row, part.pixels.begin() + (y - top + 1) * row,
                             result.pixels.begin() + (static_cast<std::ptrdiff_t>(y) * width + left) * part.channels));
    }
  }
}

class PropertyResampleOfIsaTest : public IsaTest {};
RESNET_FOR_EVERY_FAST_ISA(PropertyResampleOfIsaTest);

TEST_P(PropertyResampleOfIsaTest, FastEqualsPortable) {
  const ResampleKernels& fast = resample_kernels(GetParam());
  std::mt19937 random(4);
  const auto up_to = [&](int n) { return 1 + static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 400; ++round) {
    const Image image = testing::make_picture(up_to(90), up_to(90), up_to(4), random());
    const int width = up_to(100);
    const int height = up_to(100);
    const Axis columns = make_axis(image.width, width, kBoth[round % 2], 0, width);
    const Axis rows = make_axis(image.height, height, kBoth[round % 2], 0, height);
    const FirstPass first = round % 3 == 0 ? FirstPass::kVertical : FirstPass::kHorizontal;
    EXPECT_EQ(resample(whole(image), columns, rows, first, fast).pixels,
              resample(whole(image), columns, rows, first, portable_resample_kernels()).pixels);
  }
}

}  // namespace
}  // namespace resnet
