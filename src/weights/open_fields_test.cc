#include "weights/open_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace resnet {
namespace {

std::set<std::string> open_in(const Architecture& architecture) {
  std::set<std::string> names;
  for (const ArchitectureField& field : architecture_fields()) {
    if (is_open(field, architecture)) names.emplace(field.name);
  }
  return names;
}

// A new field that tensors do not tell has to be in the list of flags.
TEST(OpenFieldsTest, FlagsAreWhatIsOpenSomewhere) {
  std::set<std::string> open;
  for (const char* network : {"resnet18", "resnet50", "resnet50d", "resnext50_32x4d", "resnet20", "plain18"}) {
    open.merge(open_in(find_architecture(network)));
  }
  Architecture leaky = find_architecture("resnet18");
  leaky.activation = Activation::kLeakyRelu;
  open.merge(open_in(leaky));
  Architecture headed = find_architecture("resnet18");
  headed.head_widths = {32};
  headed.head_pool = HeadPool::kMaxAverage;
  open.merge(open_in(headed));
  std::set<std::string> flags;
  for (const ArchitectureField* field : fields_beyond_tensors()) flags.emplace(field->name);
  EXPECT_EQ(flags, open);
}

TEST(OpenFieldsTest, OfOneNetwork) {
  EXPECT_THAT(open_in(find_architecture("resnet50")),
              ::testing::IsSupersetOf({"stem_pool", "stem_stride", "stride_on_first", "strides", "bn_eps"}));
  EXPECT_FALSE(open_in(find_architecture("resnet18")).contains("stride_on_first"));
  EXPECT_FALSE(open_in(find_architecture("resnet18")).contains("shortcut"));
  EXPECT_TRUE(open_in(find_architecture("resnet20")).contains("shortcut"));
  EXPECT_FALSE(open_in(find_architecture("resnet18")).contains("head_pool"));
  EXPECT_FALSE(open_in(find_architecture("resnet18")).contains("head_activation"));
}

TEST(OpenFieldsTest, ValuesSayWhatIsUsual) {
  const auto text = [](const char* name, const char* network) {
    for (const ArchitectureField* field : fields_beyond_tensors()) {
      if (field->name == name) return value_text(*field, find_architecture(network));
    }
    return std::string("no such field");
  };
  EXPECT_EQ(text("stem_pool", "resnet50"), "max");
  EXPECT_EQ(text("stem_pool", "resnet20"), "none");
  EXPECT_EQ(text("stem_stride", "resnet50"), "2");
  EXPECT_EQ(text("strides", "resnet50"), "1,2,2,2");
  EXPECT_EQ(text("bn_eps", "resnet50"), "1e-05");
  EXPECT_EQ(text("stride_on_first", "resnet50"), "false");
}

}  // namespace
}  // namespace resnet
