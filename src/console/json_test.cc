#include "console/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace resnet {
namespace {

TEST(JsonTest, WritesEachKindOfValue) {
  EXPECT_EQ(Json().text(), "null");
  EXPECT_EQ(Json(nullptr).text(), "null");
  EXPECT_EQ(Json(true).text(), "true");
  EXPECT_EQ(Json(-3).text(), "-3");
  EXPECT_EQ(Json(std::uint64_t{1} << 63).text(), "9223372036854775808");
  EXPECT_EQ(Json("text").text(), "\"text\"");
  EXPECT_EQ(Json(std::optional<int>()).text(), "null");
  EXPECT_EQ(Json(std::optional<int>(4)).text(), "4");
  EXPECT_EQ(Json(std::vector<std::string>{"a", "b"}).text(), R"(["a","b"])");
  EXPECT_EQ(Json(std::vector<bool>{true, false}).text(), "[true,false]");
  EXPECT_EQ(Json(std::vector<Json>{nullptr, 3}).text(), "[null,3]");
}

TEST(JsonTest, NumbersReadBackAndOthersAreNull) {
  EXPECT_EQ(Json(0.1F).text(), "0.1");
  EXPECT_EQ(Json(0.1).text(), "0.1");
  for (const double value : {1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e21}) {
    EXPECT_EQ(nlohmann::json::parse(Json(value).text()).get<double>(), value);
  }
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).text(), "null");
  EXPECT_EQ(Json(std::nanf("")).text(), "null");
}

TEST(JsonTest, ListsOfFloatsAreTheirTexts) {
  const std::vector<float> values = {0.1F,  -0.0F,  1e-7F,     3e38F,         1.0F / 3, 16777216.0F,
                                     1e16F, 5e-45F, 123456.0F, std::nanf(""), -INFINITY};
  std::string text = "[";
  for (const float value : values) text += (text.size() == 1 ? "" : ",") + Json(value).text();
  EXPECT_EQ(Json(values).text(), text + "]");
  EXPECT_EQ(Json(std::vector<float>()).text(), "[]");
  EXPECT_EQ(Json(std::vector<float>{1}).text(), "[1]");
}

TEST(JsonTest, EscapesText) {
  const std::string text = "a\"b\\c\n\x1b\x01 \xc3\xa9 \x7f";
  EXPECT_EQ(nlohmann::json::parse(Json(text).text()).get<std::string>(), text);
  EXPECT_EQ(Json(text).text().find('\n'), std::string::npos);
  EXPECT_EQ(Json("a\xff").text(), "\"a\\udcff\"");
}

TEST(JsonTest, PutsTogetherObjectsAndArrays) {
  JsonObject inner = {{"x", 1}};
  EXPECT_EQ(inner.text(), R"({"x":1})");
  JsonArray array;
  EXPECT_EQ(array.text(), "[]");
  array.add(inner).add("y").add(JsonObject());
  EXPECT_EQ(array.text(), R"([{"x":1},"y",{}])");
  JsonObject object;
  EXPECT_EQ(object.text(), "{}");
  object.add_members_of(JsonObject()).add_members_of(inner).add_members_of({{"a\"", array}, {"b", nullptr}});
  EXPECT_EQ(object.text(), R"({"x":1,"a\"":[{"x":1},"y",{}],"b":null})");
}

TEST(JsonTest, IndentsAsOtherWritersDo) {
  const JsonObject object = {{"a", JsonArray()},
                             {"b", JsonObject()},
                             {"c", std::vector<int>{1, 2}},
                             {"d: [{,", JsonObject{{"e", "\\\"[{,:}]"}, {"f", std::vector<JsonArray>(1)}}}};
  EXPECT_EQ(object.indented(), nlohmann::ordered_json::parse(object.text()).dump(2));
  EXPECT_EQ(Json("x: [1, 2]").indented(), "\"x: [1, 2]\"");
  EXPECT_EQ(JsonArray().indented(), "[]");
}

}  // namespace
}  // namespace resnet
