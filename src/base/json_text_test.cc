#include "base/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace resnet {
namespace {

// What a parser without lone surrogates makes of our text.
std::string read_back(const std::string& json) {
  return restore_bytes(nlohmann::json::parse(hide_byte_escapes(json)).get<std::string>());
}

TEST(JsonTextTest, WritesStrings) {
  EXPECT_EQ(json_string("cat \"7\" \\ caf\xC3\xA9"), "\"cat \\\"7\\\" \\\\ caf\xC3\xA9\"");
  EXPECT_EQ(json_string("a\nb\tc\x1B[31m\x7F"), "\"a\\nb\\tc\\u001b[31m\\u007f\"");
  EXPECT_EQ(json_string("\xC2\x9B \xE2\x80\xA8 \xE2\x80\xA9"), "\"\\u009b \\u2028 \\u2029\"");
  EXPECT_EQ(json_string("caf\xE9.jpg"), "\"caf\\udce9.jpg\"");
  EXPECT_EQ(json_string("\xED\xA0\x80"), "\"\\udced\\udca0\\udc80\"");  // a surrogate in UTF-8's way is none
}

TEST(JsonTextTest, LosesNoByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const std::string& text :
       {all, std::string("\xF0\x9F\x98\x80\xED\xB3\xA9"), std::string("\\udce9"), std::string("\0e9", 3),
        std::string("\0", 1), std::string(), std::string("\\\\udce9\xE9")}) {
    EXPECT_EQ(read_back(json_string(text)), text) << json_string(text);
  }
  EXPECT_EQ(read_back("\"\\uDCE9\\ud83d\\ude00\""), "\xE9\xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace resnet
