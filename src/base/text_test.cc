#include "base/text.h"

#include <gtest/gtest.h>

namespace resnet {
namespace {

TEST(TextTest, AcceptsUtf8) {
  for (const char* text : {"", "plain ascii, more than eight", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x88",
                           "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"}) {
    EXPECT_EQ(valid_utf8_prefix(text), std::string_view(text).size()) << text;
  }
}

TEST(TextTest, FindsTheFirstBrokenByte) {
  for (const char* broken : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
                             "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x28\xA1"}) {
    EXPECT_EQ(valid_utf8_prefix(std::string("eight letters and more") + broken + "!"), 22U) << broken;
  }
}

TEST(TextTest, ShowsAnythingOnOneShortLine) {
  EXPECT_EQ(one_line("layer1.0.conv1.weight"), "layer1.0.conv1.weight");
  EXPECT_EQ(one_line("caf\xC3\xA9"), "caf\xC3\xA9");
  EXPECT_EQ(one_line("a\nb\x1B[31m"), "a\\x0ab\\x1b[31m");
  EXPECT_EQ(one_line("\xC2\x9B\xE2\x80\xA8\xFF"), "\\xc2\\x9b\\xe2\\x80\\xa8\\xff");
  EXPECT_EQ(one_line(std::string(5000, 'x')), std::string(100, 'x') + "...");
  EXPECT_EQ(one_line("abcdef", 3), "abc...");
  EXPECT_EQ(printable("a\nb" + std::string(5000, 'x')), "a\\x0ab" + std::string(5000, 'x'));
}

}  // namespace
}  // namespace resnet
