#include "weights/class_names.h"

#include "formats/test_files.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using ClassNamesTest = FormatTest;

TEST_F(ClassNamesTest, ReadsLinesAndJson) {
  EXPECT_THAT(read_class_names(write("lines", "cat\r\ngreat white shark\nétoile")),
              ElementsAre("cat", "great white shark", "étoile"));
  EXPECT_THAT(read_class_names(write("ended", "cat\ndog\n")), ElementsAre("cat", "dog"));
  EXPECT_THAT(read_class_names(write("json", "\n [\"cat\", \"\\u00e9toile\"]\n")), ElementsAre("cat", "étoile"));
}

TEST_F(ClassNamesTest, RefusesWhatIsNoList) {
  const auto refusal = [&](std::string_view text) {
    const std::string file = write("names", text);
    return error_of(file, [&] { read_class_names(file); });
  };
  EXPECT_EQ(refusal(""), "no class names");
  EXPECT_EQ(refusal("[]"), "no class names");
  EXPECT_EQ(refusal("cat\n\ndog\n"), "class name 2 is empty");
  EXPECT_EQ(refusal("cat\n\x1b[31m\n"), "class name 2 is not plain UTF-8 text: '\\x1b[31m'");
  EXPECT_EQ(refusal("\xff\n"), "class name 1 is not plain UTF-8 text: '\\xff'");
  EXPECT_EQ(refusal(std::string(1001, 'x')), "class name 1 is longer than 1000 bytes");
  EXPECT_EQ(refusal("[\"a\\nb\"]"), "class name 1 is not plain UTF-8 text: 'a\\x0ab'");
  EXPECT_EQ(refusal("a\u0085b\n"), "class name 1 is not plain UTF-8 text: 'a\\xc2\\x85b'");
  EXPECT_EQ(refusal("[\"a\u2028\"]"), "class name 1 is not plain UTF-8 text: 'a\\xe2\\x80\\xa8'");
  EXPECT_EQ(refusal(std::string("[\"cat\"]\0[", 9)), "a zero byte in the JSON array");
  EXPECT_EQ(refusal("[\"cat\", 3]"), "not a JSON array of strings");
  EXPECT_EQ(refusal("[[\"cat\"]]"), "not a JSON array of strings");
  EXPECT_EQ(refusal("[{\"cat\": 1}]"), "not a JSON array of strings");
  EXPECT_THAT(refusal("[\"cat\""), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("[\"cat\"] dog"), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("[\"\xff\"]"), HasSubstr("not JSON"));
  EXPECT_EQ(refusal("[" + std::string(1'000'000, '[')), "not a JSON array of strings");
}

TEST_F(ClassNamesTest, StopsAtTheNumberOfClasses) {
  EXPECT_EQ(error_of("m", [] { parse_class_names_json(R"(["a","b","c"])", 2, "m"); }), "more than 2 class names");
}

}  // namespace
}  // namespace resnet
