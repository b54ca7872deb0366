// What tests of code for several instruction sets share: suites whose tests run once for each of them, and RESNET_ISA
// for a while.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <ostream>
#include <string>

#include "base/isa.h"

namespace resnet {

// RESNET_ISA within a scope.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* value) {
    if (const char* before = std::getenv("RESNET_ISA")) before_ = before;
    setenv("RESNET_ISA", value, 1);
  }
  explicit ForcedIsa(Isa isa) : ForcedIsa(std::string(name(isa)).c_str()) {}
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;
  ~ForcedIsa() { before_ ? setenv("RESNET_ISA", before_->c_str(), 1) : unsetenv("RESNET_ISA"); }

 private:
  std::optional<std::string> before_;
};

// As tests are called.
inline void PrintTo(Isa isa, std::ostream* out) { *out << name(isa); }

// A suite whose tests run once for each instruction set; those that are missing here are skipped, visibly.
class IsaTest : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!is_supported(GetParam())) GTEST_SKIP() << "this processor or this build has no " << name(GetParam());
  }
};

}  // namespace resnet

// Runs a suite of the above, whose tests are then called Suite.Test/avx2: with every instruction set, or all but ref.
#define RESNET_FOR_EVERY_ISA(suite) \
  INSTANTIATE_TEST_SUITE_P(, suite, ::testing::ValuesIn(all_isas()), ::testing::PrintToStringParamName())
#define RESNET_FOR_EVERY_FAST_ISA(suite) \
  INSTANTIATE_TEST_SUITE_P(, suite, ::testing::ValuesIn(all_isas().subspan(1)), ::testing::PrintToStringParamName())
