#include "base/list_file.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ListFileTest : public ::testing::Test {
 protected:
  ListFileTest() : path_(::testing::TempDir() + "list_file_test-" + std::to_string(::getpid())) {}
  ~ListFileTest() override { std::filesystem::remove(path_); }

  TextFile open(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return TextFile::open(path_, 1000);
  }

  std::string error_of(const std::string& text) {
    try {
      open(text).check_utf8();
    } catch (const Error& error) {
      return std::string(error.what()).substr(path_.size());
    }
    return "";
  }

  std::string path_;
};

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> result;
  for (std::string_view line; take_line(text, line);) result.emplace_back(line);
  return result;
}

// "key=value+value" of each item; numbers with a '#'.
std::vector<std::string> items(const std::string& json) {
  std::vector<std::string> result;
  read_json_list(json, "x", "a list", [&](ListItem&& item) {
    std::string text = item.key ? *item.key + "=" : "";
    for (const ListValue& value : item.values)
      text += (&value == item.values.data() ? "" : "+") + value.text + (value.is_number ? "#" : "");
    result.push_back(text + (item.is_array ? "[]" : ""));
  });
  return result;
}

std::string refusal(const std::string& json) {
  try {
    items(json);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_F(ListFileTest, LeavesTheByteOrderMarkOut) {
  EXPECT_EQ(open("\xEF\xBB\xBF"
                 "cat\n")
                .text(),
            "cat\n");
  EXPECT_EQ(open("cat").text(), "cat");
  EXPECT_EQ(open("").text(), "");
  EXPECT_THAT(error_of("\xFF\xFE"
                       "c\0"),
              HasSubstr("save it as UTF-8"));
  EXPECT_THAT(error_of(std::string("\xFE\xFF\0c", 4)), HasSubstr("save it as UTF-8"));
  EXPECT_EQ(error_of("a\nb\nc\xE9\n"), ": line 3: is not text in UTF-8");
  EXPECT_THROW(open(std::string(1001, 'x')), Error);
}

TEST_F(ListFileTest, TellsJsonFromLines) {
  for (const char* json : {"[\"a\"]", " \n[ [\"a\", 1] ]", "{\"a\": 1}", "[]", "[{", "\xEF\xBB\xBF{}", "["}) {
    EXPECT_TRUE(open(json).is_json()) << json;
  }
  for (const char* text : {"cat\n", "[unused]\n", "(a)", "", "\n\n"}) EXPECT_FALSE(open(text).is_json()) << text;
}

TEST_F(ListFileTest, TakesLinesOfEitherEnd) {
  EXPECT_THAT(lines("a\r\nb\n\nc"), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(lines("a\n"), ElementsAre("a"));
  EXPECT_THAT(lines(""), ElementsAre());
  EXPECT_EQ(trimmed(" \ta b\t "), "a b");
  EXPECT_EQ(trimmed(" \t"), "");
}

TEST_F(ListFileTest, ReadsJsonLists) {
  EXPECT_THAT(items("[\"a\", 3, [\"n\", \"b\", 2]]"), ElementsAre("a", "3#", "n+b+2#[]"));
  EXPECT_THAT(items("{\"a\": \"b\", \"c\": 3, \"d\": [\"e\"]}"), ElementsAre("a=b", "c=3#", "d=e[]"));
  EXPECT_THAT(items("{\"caf\\udce9.jpg\": \"\\ud83d\\ude00\"}"), ElementsAre("caf\xE9.jpg=\xF0\x9F\x98\x80"));
}

TEST_F(ListFileTest, RefusesOtherJson) {
  for (const char* json : {"3", "\"a\"", "[null]", "[true]", "[-1]", "[1.5]", "[[]]", "[{\"a\": 1}]", "[[[1]]]"}) {
    EXPECT_EQ(refusal(json), "x: not a list") << json;
  }
  EXPECT_EQ(refusal("[1"), "x: offset 3: not JSON");
  EXPECT_EQ(refusal("{0: 'cat'}"), "x: offset 2: not JSON");
  EXPECT_EQ(refusal(std::string("{}\0", 3)), "x: a zero byte in the JSON object");
  EXPECT_EQ(refusal("[[" + std::string(100, '1') + "]]"), "x: not a list");
}

}  // namespace
}  // namespace resnet
