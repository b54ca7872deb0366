#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arch/schema.h"
#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

std::string refusal(std::string_view text) {
  try {
    parse_changes(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(FieldTextTest, FieldsOfEveryKind) {
  const ArchitectureChanges changes =
      parse_changes(" stem_pool=max  strides=1,2,2,1 bn_eps=1e-3 stride_on_first=true dilated_stages=2");
  ArchitectureChanges expected;
  expected.set(&Architecture::stem_pool, StemPool::kMax).set(&Architecture::strides, {1, 2, 2, 1});
  expected.set(&Architecture::bn_eps, 1e-3).set(&Architecture::stride_on_first, true);
  expected.set(&Architecture::dilated_stages, 2);
  EXPECT_EQ(changes, expected);
  EXPECT_EQ(parse_changes(""), ArchitectureChanges());
}

TEST(FieldTextTest, EveryFieldIsTaken) {
  for (const ArchitectureField& field : architecture_fields()) {
    const std::string value = std::visit(
        [](const auto& usual) -> std::string {
          using Value = std::decay_t<decltype(usual)>;
          if constexpr (std::is_same_v<Value, std::vector<int>>) return "1,2";
          if constexpr (std::is_same_v<Value, bool>) return "true";
          if constexpr (std::is_same_v<Value, std::string>) return usual;
          return "1";
        },
        get(field, Architecture()));
    EXPECT_TRUE(parse_changes(std::string(field.name) + "=" + value).says(field)) << field.name;
  }
}

TEST(FieldTextTest, SaysWhatIsWrong) {
  EXPECT_THAT(refusal("stem_pol=max"), HasSubstr("stem_pol: is no field of a network; near it are stem_pool"));
  EXPECT_THAT(refusal("stem_pool"), HasSubstr("says no value"));
  EXPECT_THAT(refusal("stem_pool=min"), HasSubstr("'min' is not one of usual, none"));
  EXPECT_THAT(refusal("strides=1,,2"), HasSubstr("strides: '' is not a whole number"));
  EXPECT_THAT(refusal("bn_eps=small"), HasSubstr("bn_eps: 'small' is not a number"));
  EXPECT_THAT(refusal("bn_eps=7"), HasSubstr("bn_eps"));
  EXPECT_THAT(refusal("stride_on_first=yes"), HasSubstr("neither true nor false"));
}

}  // namespace
}  // namespace resnet
