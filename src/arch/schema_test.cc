#include "arch/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;

std::string error_of(const Architecture& architecture) {
  try {
    validate(architecture);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const ArchitectureField& field(std::string_view name) {
  for (const ArchitectureField& row : architecture_fields()) {
    if (row.name == name) return row;
  }
  ADD_FAILURE() << "no field " << name;
  return architecture_fields()[0];
}

TEST(SchemaTest, EveryMemberHasARow) {
  // A member without a row would be lost on the way to a file and back: sizes of the table and of the type agree.
  std::size_t bytes = sizeof(std::string);  // the name
  for (const ArchitectureField& row : architecture_fields()) {
    bytes += std::visit(
        [](auto member) {
          if constexpr (std::is_same_v<decltype(member), EnumMember<Architecture>>) {
            return sizeof(Block);
          } else {
            return sizeof(Architecture().*member);
          }
        },
        row.member);
  }
  EXPECT_LE(bytes, sizeof(Architecture));
  EXPECT_GT(bytes + alignof(Architecture) + sizeof(int), sizeof(Architecture));  // bools are padded
}

TEST(SchemaTest, NamesAreDifferent) {
  std::set<std::string_view> names, keys;
  for (const ArchitectureField& row : architecture_fields()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(keys.insert(key_of(row)).second) << row.name;
    EXPECT_FALSE(row.help.empty()) << row.name;
  }
}

TEST(SchemaTest, ListsTheGeneralFormFirstAndSwitchesLast) {
  std::vector<std::string_view> names;
  for (const ArchitectureField* row : listed_fields()) names.push_back(row->name);
  EXPECT_THAT(names,
              ElementsAre("block", "depths", "widths", "channels", "classes", "groups", "width_per_group", "stem",
                          "stem_kernel", "stem_stride", "stem_pool", "stem_width", "shortcut", "dilated_stages",
                          "strides", "antialias", "bn_eps", "activation", "negative_slope", "head_pool", "head_widths",
                          "head_activation", "stride_on_first", "conv_bias", "layout"));
  EXPECT_EQ(flag_of("width_per_group"), "--width-per-group");
}

TEST(SchemaTest, SetsWhatItGets) {
  Architecture copy;
  const Architecture& network = find_architecture("resnet110");
  for (const ArchitectureField& row : architecture_fields()) set(row, copy, get(row, network));
  copy.name = network.name;
  EXPECT_EQ(copy, network);
  EXPECT_EQ(get(field("stem"), network), FieldValue("cifar"));
  EXPECT_EQ(get(field("channels"), network), FieldValue(3));
  EXPECT_THAT(choices(field("block")), ElementsAre("basic", "bottleneck"));
  EXPECT_THROW(set(field("stem"), copy, "vgg"), Error);
}

TEST(SchemaTest, ChecksRanges) {
  const auto with = [](std::string_view name, const FieldValue& value) {
    Architecture architecture;
    set(field(name), architecture, value);
    return error_of(architecture);
  };
  EXPECT_EQ(with("groups", 0), "groups: must be 1 to 65536");
  EXPECT_EQ(with("width_per_group", 65'537), "width_per_group: must be 1 to 65536");
  EXPECT_EQ(with("stem_width", -1), "stem_width: must be 1 to 65536");
  EXPECT_EQ(with("channels", 0), "channels: must be 1 to 65536");
  EXPECT_EQ(with("classes", 10'000'001), "classes: must be 0 to 10000000");
  EXPECT_EQ(with("classes", 10'000'000), "");
  EXPECT_EQ(with("depths", std::vector<int>{1, 2001, 1, 1}), "depths: each must be 1 to 2000");
  EXPECT_EQ(with("widths", std::vector<int>{1, 1, 0, 1}), "widths: each must be 1 to 65536");
  EXPECT_EQ(with("bn_eps", 2.0), "bn_eps: must be 1e-12 to 1");
  EXPECT_EQ(with("negative_slope", 0.2), "negative_slope: is that of leaky_relu, another activation has none");
  EXPECT_EQ(with("strides", std::vector<int>{1, 2, 9, 2}), "strides: each must be 1 to 8");
  EXPECT_EQ(with("head_widths", std::vector<int>{5, 0}), "head_widths: each must be 1 to 65536");
  EXPECT_EQ(with("head_widths", std::vector<int>(17, 5)), "head_widths: there must be at most 16");
  EXPECT_EQ(with("head_activation", "gelu"),
            "head_activation: stands between linear layers, and without head_widths there is one");
  EXPECT_EQ(with("stem_kernel", 2), "stem_kernel: must be odd, or 0");
  EXPECT_EQ(with("dilated_stages", 4), "dilated_stages: must be 0 to the number of stages minus one");
  EXPECT_EQ(with("dilated_stages", -1), "dilated_stages: must be 0 to the number of stages minus one");
}

TEST(ArchitectureChangesTest, HoldsWhatWasSaid) {
  ArchitectureChanges changes;
  EXPECT_FALSE(changes.get(&Architecture::depths));
  changes.set(&Architecture::depths, {1, 2})
      .set(&Architecture::stem, Stem::kCifar)
      .set(&Architecture::conv_bias, false);
  EXPECT_EQ(changes.get(&Architecture::depths), (std::vector<int>{1, 2}));
  EXPECT_EQ(changes.get(&Architecture::stem), Stem::kCifar);
  EXPECT_EQ(changes.get(&Architecture::conv_bias), false);  // said, though it is the usual
  EXPECT_FALSE(changes.get(&Architecture::stride_on_first));
  EXPECT_TRUE(changes.says(field("depths")));
  EXPECT_FALSE(changes.says(field("widths")));

  ArchitectureChanges other = changes;
  EXPECT_EQ(other, changes);
  set(field("groups"), other, 1);
  EXPECT_NE(other, changes);
  other.clear(field("groups"));
  EXPECT_EQ(other, changes);
  other.set(&Architecture::stem, Stem::kDeep);
  EXPECT_NE(other, changes);
}

TEST(ArchitectureChangesTest, SaysNothingThatWouldBeThereAnyway) {
  ArchitectureChanges changes;
  changes.set(&Architecture::stem_kernel, 7)
      .set(&Architecture::stem_stride, 2)
      .set(&Architecture::stem_pool, StemPool::kMax)
      .set(&Architecture::strides, {1, 2, 2, 2});
  const Architecture usual = choose("", changes);
  EXPECT_EQ(usual.stem_kernel, 0);
  EXPECT_EQ(usual.stem_stride, 0);
  EXPECT_EQ(usual.stem_pool, StemPool::kUsual);
  EXPECT_TRUE(usual.strides.empty());
  changes.set(&Architecture::stem, Stem::kCifar);
  const Architecture other = choose("", changes);
  EXPECT_EQ(other.stem_kernel, 7);
  EXPECT_EQ(other.stem_stride, 2);
  EXPECT_EQ(other.stem_pool, StemPool::kMax);
}

TEST(ArchitectureChangesTest, ChangesThoseFieldsAlone) {
  ArchitectureChanges changes;
  changes.set(&Architecture::shortcut, Shortcut::kNone);
  Architecture expected = find_architecture("resnet34");
  expected.shortcut = Shortcut::kNone;
  EXPECT_EQ(choose("resnet34", changes), expected);
  EXPECT_EQ(choose("resnet34", {}), find_architecture("resnet34"));
}

TEST(ArchitectureChangesTest, WidthsFollowDepthsAndStem) {
  ArchitectureChanges changes;
  changes.set(&Architecture::block, Block::kBasic).set(&Architecture::depths, {1, 1, 1});
  EXPECT_EQ(choose("", changes).widths, (std::vector<int>{64, 128, 256}));
  EXPECT_EQ(choose("resnet18", changes).widths, (std::vector<int>{64, 128, 256}));
  changes.set(&Architecture::stem, Stem::kCifar);
  EXPECT_EQ(choose("", changes).widths, (std::vector<int>{16, 32, 64}));
  EXPECT_EQ(choose("", changes).stem_width, 16);
  EXPECT_EQ(choose("", changes).name, "resnet");
  changes.set(&Architecture::widths, {8, 12, 24});
  EXPECT_EQ(choose("", changes).stem_width, 8);
  changes.set(&Architecture::stem_width, 10);
  EXPECT_EQ(choose("", changes).stem_width, 10);
}

}  // namespace
}  // namespace resnet
