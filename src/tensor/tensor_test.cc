#include "resnet/tensor.h"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>

#include "base/bfloat16.h"
#include "base/checked_file.h"
#include "resnet/error.h"
#include "tensor/convert.h"

namespace resnet {
namespace {

TEST(TensorTest, DefaultIsAScalarZero) {
  const Tensor tensor;
  EXPECT_EQ(tensor.count(), 1);
  EXPECT_EQ(tensor.f32()[0], 0.0F);
}

TEST(TensorTest, CountsElements) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count({2, 3}), 6);
  EXPECT_EQ(element_count({0, INT64_MAX, INT64_MAX}), 0);
  EXPECT_THROW(element_count({INT64_MAX, 2}), Error);
  EXPECT_THROW(element_count({-1}), Error);
  EXPECT_EQ(to_string({64, 3, 7, 7}), "64x3x7x7");
}

TEST(TensorTest, ViewChecksItsSize) {
  const float values[6] = {};
  const auto bytes = std::as_bytes(std::span(values));
  EXPECT_NO_THROW(Tensor::view(DType::kF32, {2, 3}, bytes, nullptr));
  EXPECT_THROW(Tensor::view(DType::kF32, {2, 2}, bytes, nullptr), Error);
  EXPECT_THROW(Tensor::view(DType::kF64, {2, 2}, bytes, nullptr), Error);
  Tensor view = Tensor::view(DType::kF32, {6}, bytes, nullptr);
  EXPECT_THROW(view.mutable_f32(), Error);
}

// A file of float32, large enough that it is not read at once.
class FileTensorTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kCount = 3 << 20;

  FileTensorTest() {
    for (std::size_t i = 0; i < kCount; ++i) values_[i] = static_cast<float>(i);
    std::ofstream(path_, std::ios::binary).write(reinterpret_cast<const char*>(values_.data()), kCount * sizeof(float));
  }
  ~FileTensorTest() override { std::filesystem::remove(path_); }

  Tensor open() const {
    const auto file = CheckedFile::open(path_);
    return Tensor::view(DType::kF32, {kCount / 1024, 1024}, file->range(), file);
  }

  std::string path_ = std::filesystem::temp_directory_path() / ("resnet-tensor-" + std::to_string(getpid()));
  std::vector<float> values_ = std::vector<float>(kCount);
};

TEST_F(FileTensorTest, ReadsWhatIsAskedFor) {
  const Tensor tensor = open();
  EXPECT_EQ(tensor.nbytes(), kCount * sizeof(float));
  const auto resident = [] {
    std::size_t total = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> total >> pages;
    return pages * 4096;
  };
  const std::size_t before = resident();
  for (std::int64_t i = 0; i < 3072; i += 64) {
    Tensor rows = tensor.rows(i, i + 64).copy();
    EXPECT_EQ(rows.f32()[5], values_[static_cast<std::size_t>(i) * 1024 + 5]);
    rows.mutable_f32()[0] = -1;
  }
#ifndef RESNET_SANITIZED  // which keeps what was freed
  EXPECT_LT(resident(), before + (4U << 20)) << "copies leave nothing behind";
#endif
  EXPECT_EQ(tensor.f32()[64 * 1024], values_[64 * 1024]) << "a copy was changed, not the tensor";
  EXPECT_GE(resident(), before + (8U << 20)) << "what is looked at stays";
  EXPECT_EQ(std::memcmp(tensor.bytes().data(), values_.data(), tensor.nbytes()), 0);
  EXPECT_EQ(tensor.in_memory().f32()[kCount - 1], values_.back());
}

TEST_F(FileTensorTest, StaysAsItWasOrThrows) {
  const Tensor tensor = open();
  const Tensor first = tensor.rows(0, 1024);
  EXPECT_EQ(first.f32()[1], 1.0F);
  std::filesystem::resize_file(path_, 100);
  EXPECT_EQ(first.f32()[1], 1.0F);
  EXPECT_THROW(tensor.bytes(), Error);
  EXPECT_THROW(tensor.rows(2000, 2001).copy(), Error);
  EXPECT_EQ(tensor.nbytes(), kCount * sizeof(float));
}

TEST(TensorTest, InMemoryIsTheSameWhereItIs) {
  const Tensor memory = Tensor::from(std::vector<float>(100'000, 1.0F), {100'000});
  EXPECT_EQ(memory.in_memory().bytes().data(), memory.bytes().data());
  EXPECT_NE(memory.copy().bytes().data(), memory.bytes().data());
  EXPECT_EQ(memory.copy().f32()[50'000], 1.0F);
  EXPECT_EQ(Tensor::zeros(DType::kI64, {0, 3}).copy().shape(), (Shape{0, 3}));
}

// Every half is compared with its value computed from the definition.
TEST(TensorTest, ConvertsEveryHalf) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31U);
    const auto mantissa = static_cast<double>(bits & 1023U);
    const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
    const float value = half_to_float(static_cast<std::uint16_t>(bits));
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(value), mantissa != 0);
      EXPECT_EQ(std::isinf(value), mantissa == 0);
      continue;
    }
    const double expected = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    EXPECT_EQ(value, static_cast<float>(sign * expected)) << bits;
    EXPECT_EQ(std::signbit(value), sign < 0);
  }
}

TEST(TensorTest, RoundsBfloat16ToEven) {
  EXPECT_EQ(float_to_bfloat16(1.0F), 0x3F80);
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3F808000U)), 0x3F80);  // a tie, even below
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3F818000U)), 0x3F82);  // a tie, even above
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(std::bit_cast<float>(0x7F800001U)))));
}

TEST(TensorTest, ConvertsIntegers) {
  const std::int64_t values[] = {-3, 0, 1LL << 40};
  const Tensor tensor = Tensor::from(values, {3}).to_f32();
  EXPECT_EQ(tensor.f32()[0], -3.0F);
  EXPECT_EQ(tensor.f32()[2], 0x1p40F);
}

TEST(StateDictTest, KeepsOrderAndRefusesDuplicates) {
  StateDict dict;
  dict.add("b", {});
  dict.add("a", {});
  EXPECT_EQ(dict.begin()->first, "b");
  EXPECT_THROW(dict.add("a", {}), Error);
  EXPECT_EQ(dict.find("c"), nullptr);
  EXPECT_THROW(dict.at("c"), Error);
  dict.set("b", Tensor::zeros(DType::kI8, {4}));
  EXPECT_EQ(dict.begin()->second.count(), 4);
  EXPECT_EQ(dict.size(), 2U);
}

TEST(StateDictTest, FindsEachOfMany) {
  StateDict dict;
  for (int i = 0; i < 1000; ++i) dict.add(std::to_string(i), Tensor::zeros(DType::kU8, {i}));
  dict.reserve(5000);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(dict.at(std::to_string(i)).count(), i);
  EXPECT_FALSE(dict.contains("1000"));
  const StateDict copy = dict;
  EXPECT_EQ(copy.at("999").count(), 999);
}

// Names of 16 bytes that the hash of libstdc++ (MurmurHash 64A) gives one value: what a hostile file would hold.
std::vector<std::string> names_of_one_hash(std::uint64_t count) {
  constexpr std::uint64_t kMultiplier = 0xC6A4A7935BD1E995U;
  std::uint64_t inverse = kMultiplier;  // modulo 2^64, by Newton's method
  for (int i = 0; i < 6; ++i) inverse *= 2 - kMultiplier * inverse;
  const auto fold = [](std::uint64_t value) { return value ^ (value >> 47); };  // its own inverse
  std::vector<std::string> names;
  for (std::uint64_t first = 0; first < count; ++first) {
    const std::uint64_t state =
        ((0xC70F6907U ^ 16 * kMultiplier) ^ fold(first * kMultiplier) * kMultiplier) * kMultiplier;
    const std::uint64_t words[] = {first, fold(state * inverse) * inverse};  // the second one takes the state to zero
    names.emplace_back(reinterpret_cast<const char*>(words), sizeof(words));
  }
  return names;
}

TEST(StateDictTest, IsQuickForNamesMadeToBeSlow) {
  const std::vector<std::string> names = names_of_one_hash(40'000);
#ifdef __GLIBCXX__
  ASSERT_EQ(std::hash<std::string>()(names.front()), std::hash<std::string>()(names.back()));
#endif
  const std::clock_t start = std::clock();
  StateDict dict;
  for (const std::string& name : names) dict.add(name, {});
  EXPECT_TRUE(dict.contains(names.back()));
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 0.5);
}

TEST(StateDictTest, RenamesInPlace) {
  StateDict dict;
  for (int i = 0; i < 100; ++i) dict.add("model." + std::to_string(i), Tensor::zeros(DType::kU8, {i}));
  dict.rename([](std::string_view name) { return std::string(name.substr(6)); });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(dict.at(std::to_string(i)).count(), i);
  EXPECT_FALSE(dict.contains("model.1"));
  EXPECT_THROW(dict.rename([](std::string_view) { return std::string("same"); }), Error);
}

}  // namespace
}  // namespace resnet
