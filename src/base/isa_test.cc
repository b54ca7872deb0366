#include "base/isa.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/isa_test_support.h"
#include "resnet/error.h"

namespace resnet {
namespace {

std::string error_of(const char* forced, ErrorCode code) {
  const ForcedIsa scope(forced);
  try {
    static_cast<void>(chosen_isa());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  ADD_FAILURE() << "no error for " << forced;
  return "";
}

TEST(Isa, PlainCodeRunsEverywhereAndTheBestIsTaken) {
  EXPECT_TRUE(is_supported(Isa::kRef));
  const ForcedIsa empty("");
  Isa best = Isa::kRef;
  for (const Isa isa : all_isas()) {
    if (is_supported(isa)) best = isa;
  }
  EXPECT_EQ(chosen_isa(), best);  // an empty value is none
}

TEST(Isa, UnknownNamesAreErrors) {
  EXPECT_EQ(error_of("mmx", ErrorCode::kInvalidArgument),
            "RESNET_ISA: 'mmx' is not one of ref, avx2, avx512, avx512_vnni, avx512_bf16");
  for (const char* odd : {"AVX2", "avx2 ", "avx", " ", "auto"}) error_of(odd, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of("a\nb", ErrorCode::kInvalidArgument).find('\n'), std::string::npos);
}

class EveryIsa : public testing::TestWithParam<Isa> {};

TEST_P(EveryIsa, IsChosenByNameOrRefused) {
  const std::string isa(name(GetParam()));
  if (is_supported(GetParam())) {
    const ForcedIsa scope(GetParam());
    EXPECT_EQ(chosen_isa(), GetParam());
    return;
  }
  EXPECT_NE(error_of(isa.c_str(), ErrorCode::kUnsupported).find("has no " + isa), std::string::npos);
  GTEST_SKIP() << "this processor or this build has no " << isa << "; it is refused";
}

RESNET_FOR_EVERY_ISA(EveryIsa);

}  // namespace
}  // namespace resnet
