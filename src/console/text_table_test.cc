#include "console/text_table.h"

#include <gtest/gtest.h>

#include "console/numbers.h"

namespace resnet {
namespace {

TEST(TextTableTest, AlignsColumnsByCharacters) {
  TextTable table({Align::kLeft, Align::kRight});
  table.row({"3×3", "1"});
  table.rule();
  table.row({"a", "1,000"});
  EXPECT_EQ(table.str(),
            "3×3      1\n"
            "──────────\n"
            "a    1,000\n");
}

TEST(TextTableTest, CellsHaveSeveralLines) {
  TextTable table({Align::kLeft, Align::kLeft});
  table.row({"one\ntwo", "x"});
  table.row({"", "y"});
  EXPECT_EQ(table.str(),
            "one  x\n"
            "two\n"
            "     y\n");
}

TEST(TextTableTest, RowsMayBeShortAndHaveNotes) {
  TextTable table({Align::kLeft, Align::kLeft, Align::kRight});
  table.row({"a", "bb", "ccc"});
  table.note(1, "as long as it likes");
  table.row({"d"});
  EXPECT_EQ(table.str(),
            "a  bb  ccc\n"
            "   as long as it likes\n"
            "d\n");
}

TEST(TextTableTest, LaysOutRowsThatItDoesNotKeep) {
  TextTable table({Align::kLeft, Align::kRight});
  table.fit({"ab", "cd"});
  table.fit({"", "1234"});
  EXPECT_EQ(table.line({"a", "1"}), "a      1\n");
  EXPECT_EQ(table.line({"wider", "1"}), "wider     1\n");
  EXPECT_EQ(table.rule_line(), "────────\n");
  EXPECT_EQ(table.str(), "");
}

TEST(TextTableTest, GroupsDigits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(25'557'032), "25,557,032");
  EXPECT_EQ(grouped(-123'456), "-123,456");
}

TEST(TextTableTest, RoundsToThreeDigits) {
  EXPECT_EQ(rounded(0), "0");
  EXPECT_EQ(rounded(999), "999");
  EXPECT_EQ(rounded(1000), "1.00 k");
  EXPECT_EQ(rounded(9'994), "9.99 k");
  EXPECT_EQ(rounded(9'995), "10.0 k");
  EXPECT_EQ(rounded(269'722), "270 k");
  EXPECT_EQ(rounded(999'500), "1.00 M");
  EXPECT_EQ(rounded(4'089'184'256), "4.09 G");
}

}  // namespace
}  // namespace resnet
