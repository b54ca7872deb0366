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

TEST_F(ClassNamesTest, ReadsWhatEditorsAndScriptsLeave) {
  const auto read = [&](std::string_view text) { return read_class_names(write("names", text)); };
  EXPECT_THAT(read("\xEF\xBB\xBF"
                   "cat\r\ndog\r\n"),
              ElementsAre("cat", "dog"));
  EXPECT_THAT(read("\xEF\xBB\xBF[\"cat\", \"dog\"]"), ElementsAre("cat", "dog"));
  EXPECT_THAT(read("cat \n\tdog\n\n \n"), ElementsAre("cat", "dog"));
  EXPECT_THAT(read("[unused]\ncat\n"), ElementsAre("[unused]", "cat"));
  EXPECT_THAT(read(R"({"0": "cat", "1": "dog"})"), ElementsAre("cat", "dog"));
  EXPECT_THAT(read(R"({"1": "dog", "10": "k", "2": "c", "3": "d", "4": "e", "5": "f", "6": "g", "7": "h", "8": "i",
                       "9": "j", "0": "cat"})"),
              ElementsAre("cat", "dog", "c", "d", "e", "f", "g", "h", "i", "j", "k"));
  EXPECT_THAT(read(R"({"dog": 1, "cat": 0})"), ElementsAre("cat", "dog"));
  EXPECT_THAT(read(R"({"7": 1, "3": 0})"), ElementsAre("3", "7"));
}

TEST_F(ClassNamesTest, ReadsNamesBehindWordnetIds) {
  const auto read = [&](std::string_view text) { return read_class_names(write("names", text)); };
  EXPECT_THAT(read("n01440764 tench\nn01443537\tgoldfish, Carassius auratus\n"),
              ElementsAre("tench", "goldfish, Carassius auratus"));
  EXPECT_THAT(read(R"({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]})"),
              ElementsAre("tench", "goldfish"));
  EXPECT_THAT(read(R"([["n01440764", "tench"], ["n01443537", "goldfish"]])"), ElementsAre("tench", "goldfish"));
  EXPECT_THAT(read("n01440764\nn01443537\n"), ElementsAre("n01440764", "n01443537")) << "nothing behind them";
  EXPECT_THAT(read("n01440764 tench\nother\n"), ElementsAre("n01440764 tench", "other")) << "not every line";
  EXPECT_THAT(read("n1 tench\n"), ElementsAre("n1 tench"));
}

TEST_F(ClassNamesTest, RefusesIndicesThatAreNoneOrLeaveGaps) {
  const auto refusal = [&](std::string_view text) {
    const std::string file = write("names", text);
    return error_of(file, [&] { read_class_names(file); });
  };
  const char* const forms = "not a JSON array of strings, nor an object of names by index or of indices by name";
  EXPECT_EQ(refusal("{}"), "no class names");
  EXPECT_EQ(refusal(R"({"1": "cat", "2": "dog"})"), "no name for class 0, but one for class 1: indices count from 0");
  EXPECT_EQ(refusal(R"({"0": "cat", "9999999999": "dog"})"),
            "no name for class 1, but one for class 9999999999: indices count from 0");
  EXPECT_EQ(refusal(R"({"cat": 0, "dog": 0})"), "class 0 is named twice");
  EXPECT_EQ(refusal(R"({"cat": "dog"})"), forms);
  EXPECT_EQ(refusal(R"({"cat": {"dog": 1}})"), forms);
  EXPECT_EQ(refusal(R"({"0": ["tench", "n01440764"]})"), forms);
  EXPECT_EQ(refusal(R"({"0": null})"), forms);
  EXPECT_EQ(refusal(R"({"99999999999999999999999": "cat"})"), forms);
  EXPECT_THAT(refusal("{0: 'tench'}"), HasSubstr("not JSON"));
  EXPECT_EQ(refusal("[[]]"), "not a JSON array of strings");
  EXPECT_EQ(refusal(R"(["caf\udce9"])"), "class name 1 is not plain UTF-8 text: 'caf\\xe9'");
  EXPECT_THAT(refusal("\xFF\xFE"
                      "c"),
              HasSubstr("save it as UTF-8"));
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
