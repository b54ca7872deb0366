// The measure of what a processor can do at most: what is counted was done, and at rates that fit together.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "kernels/kernels_test_support.h"

namespace resnet {
namespace {

constexpr ValueType kTypes[] = {ValueType::kF32, ValueType::kBf16, ValueType::kU8};

class Spin : public IsaTest {};
RESNET_FOR_EVERY_ISA(Spin);

struct Spinner {
  const Kernels* kernels;
  ValueType type;
  double best = 0;  // operations a second

  void slice() {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const double operations = kernels->spin(type, 20'000);
    best = std::max(best, operations / std::chrono::duration<double>(Clock::now() - start).count());
  }
};

// Slices of about 0.1 ms, taken in turns, because others use the processor too and its clock changes.
void measure(std::initializer_list<Spinner*> spinners) {
  for (int turn = 0; turn < 100; ++turn) {
    for (Spinner* spinner : spinners) spinner->slice();
  }
}

TEST_P(Spin, CountsWhatItDoes) {
  const Kernels& kernels = kernels_for(GetParam());
  for (const ValueType type : kTypes) {
    if (!kernels.multiplies(type)) continue;
    EXPECT_GE(kernels.spin(type, 1), 2 * 32);  // no fewer sums than hide the latency
    EXPECT_EQ(kernels.spin(type, 30), 30 * kernels.spin(type, 1));
  }
}

// Products of bytes do four times as much as float32 or, of short weights, eight products in three multiplications and
// two additions; those of bfloat16 twice as much on AMD's processors and half as much on Intel's.
TEST_P(Spin, TypesHaveTheirRates) {
#ifdef RESNET_SANITIZED
  GTEST_SKIP() << "rates mean nothing beside a sanitizer";
#endif
  const Kernels& kernels = kernels_for(GetParam());
  struct Range {
    double low, high;
  };
  const auto bytes = [](Isa isa) -> Range {
    switch (isa) {
      case Isa::kRef: return {1, 1};
      case Isa::kAvx2:
      case Isa::kAvx512: return {1.6, 8 / 3.0};
      case Isa::kAvx512Vnni:
      case Isa::kAvx512Bf16: break;
    }
    return {4, 4};
  };
  for (const ValueType type : {ValueType::kBf16, ValueType::kU8}) {
    if (!kernels.multiplies(type)) continue;
    const Range range = type == ValueType::kU8    ? bytes(GetParam())
                        : GetParam() == Isa::kRef ? Range{1, 1}
                                                  : Range{0.5, 2};
    Spinner floats{&kernels, ValueType::kF32};
    Spinner narrow{&kernels, type};
    measure({&floats, &narrow});
    EXPECT_GT(narrow.best / floats.best, 0.75 * range.low) << static_cast<int>(type);
    EXPECT_LT(narrow.best / floats.best, 1.25 * range.high) << static_cast<int>(type);
  }
}

// Vectors of 8 floats, multiplied and added at once, beside plain code; and of 16 beside those.
TEST_P(Spin, WiderVectorsDoMore) {
#ifdef RESNET_SANITIZED
  GTEST_SKIP() << "rates mean nothing beside a sanitizer";
#endif
  if (GetParam() != Isa::kAvx2 && GetParam() != Isa::kAvx512) return;
  const bool first = GetParam() == Isa::kAvx2;
  Spinner narrow{&kernels_for(first ? Isa::kRef : Isa::kAvx2), ValueType::kF32};
  Spinner wide{&kernels_for(GetParam()), ValueType::kF32};
  measure({&narrow, &wide});
  EXPECT_GT(wide.best / narrow.best, first ? 2 : 0.75);
  EXPECT_LT(wide.best / narrow.best, first ? 20 : 2.5);
}

}  // namespace
}  // namespace resnet
