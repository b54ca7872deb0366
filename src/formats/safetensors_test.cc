#include "formats/safetensors.h"

#include <fmt/format.h>

#include <ctime>

#include "formats/test_files.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string length_of(std::uint64_t length) { return {reinterpret_cast<const char*>(&length), sizeof(length)}; }

std::string file_of(const std::string& header, const std::string& data = "") {
  return length_of(header.size()) + header + data;
}

class SafetensorsTest : public FormatTest {
 protected:
  TensorFile read_bytes(const std::string& bytes) const {
    return read_safetensors(file_of_bytes(bytes), path("m.safetensors"));
  }
  std::string refusal(const std::string& bytes) const {
    return error_of(path("m.safetensors"), [&] { read_bytes(bytes); });
  }
  // A header with one field of tensor 'a' replaced; the file has 8 bytes of data.
  std::string refused_field(const std::string& dtype, const std::string& shape, const std::string& offsets) const {
    return refusal(
        file_of(R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}",
                std::string(8, 'x')));
  }
};

TEST_F(SafetensorsTest, ReadsTensorsAndMetadataInTheirOrder) {
  const TensorFile file = read_bytes(file_of(R"({"__metadata__":{"k":"v\n"},)"
                                             R"("b":{"dtype":"I16","shape":[2],"data_offsets":[4,8]},)"
                                             R"("a":{"data_offsets":[0,4],"dtype":"F32","shape":[]}}   )",
                                             std::string("\0\0\x80\x3F\1\0\2\0", 8)));
  EXPECT_EQ(file.format, "safetensors");
  EXPECT_EQ(file.metadata.at("k"), "v\n");
  ASSERT_EQ(file.tensors.size(), 2U);
  EXPECT_EQ(file.tensors.begin()->first, "b");
  EXPECT_EQ(file.tensors.at("b").dtype(), DType::kI16);
  EXPECT_EQ(file.tensors.at("b").shape(), Shape{2});
  EXPECT_EQ(file.tensors.at("a").shape(), Shape{});
  EXPECT_EQ(file.tensors.at("a").to_f32().f32()[0], 1.0F);
}

TEST_F(SafetensorsTest, AcceptsEmptyFilesTensorsAndScalars) {
  EXPECT_TRUE(read_bytes(file_of("{}")).tensors.empty());
  const TensorFile file =
      read_bytes(file_of(R"({"e":{"dtype":"F64","shape":[0,9223372036854775807,4],"data_offsets":[1,1]},)"
                         R"("s":{"dtype":"BOOL","shape":[],"data_offsets":[0,1]}})",
                         "\1"));
  EXPECT_EQ(file.tensors.at("e").count(), 0);
  EXPECT_EQ(file.tensors.at("s").count(), 1);
}

TEST_F(SafetensorsTest, ViewsOutliveTheReader) {
  Tensor tensor =
      read_bytes(file_of(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", "xyz")).tensors.at("a");
  EXPECT_EQ(tensor.bytes()[2], std::byte{'z'});
}

TEST_F(SafetensorsTest, RefusesShortFiles) {
  for (std::size_t size = 0; size < 8; ++size) {
    EXPECT_EQ(refusal(std::string(size, 'x')), fmt::format("{} bytes, too short for a safetensors file", size));
  }
}

TEST_F(SafetensorsTest, RefusesHeaderLongerThanTheFile) {
  EXPECT_EQ(refusal(length_of(3) + "{}"), "offset 0: a header of 3 bytes in a file of 10: was the download cut short?");
}

TEST_F(SafetensorsTest, RefusesHeaderOfTwoToThe64) {
  EXPECT_THAT(refusal(length_of(UINT64_MAX) + "{}"), HasSubstr("a header of 18446744073709551615 bytes, more than"));
}

TEST_F(SafetensorsTest, RefusesHeaderOver100Million) {
  EXPECT_THAT(refusal(length_of(100'000'001) + "{}"), HasSubstr("100000001 bytes, more than 100000000"));
}

TEST_F(SafetensorsTest, RefusesHeaderThatIsNotUtf8) {
  EXPECT_EQ(refusal(file_of("{\"\xFF\":{}}")), "offset 10: the header is not UTF-8");
  const std::string blanks((1 << 20) - 3, ' ');  // a sequence across the step's end is fine, a cut one at the end not
  EXPECT_EQ(refusal(file_of("{" + blanks.substr(1) + "\xF0\x9F\x90")),
            fmt::format("offset {}: the header is not UTF-8", 8 + blanks.size()));
  EXPECT_THAT(refusal(file_of("{" + blanks.substr(1) + "\xF0\x9F\x90\x88")), HasSubstr("not well-formed JSON"));
}

TEST_F(SafetensorsTest, RefusesHeaderThatIsNotAnObject) {
  for (const char* header : {"", "[]", "1", "\"a\"", "null", " {}", "\xEF\xBB\xBF{}"}) {
    EXPECT_EQ(refusal(file_of(header)), "offset 8: the header is not a JSON object") << header;
  }
}

TEST_F(SafetensorsTest, RefusesBrokenJson) {
  EXPECT_EQ(refusal(file_of(std::string("{}\0", 3))), "offset 10: a zero byte in the header");
  EXPECT_EQ(refusal(file_of("{\"a\"")), "offset 12: the header is not well-formed JSON");
  for (const char* header : {"{", "{]", "{\"a\":}", "{} {}", "{,}", "{}x", "{\"\\ud800\":{}}", "{/**/}"}) {
    EXPECT_THAT(refusal(file_of(header)), HasSubstr("not well-formed JSON")) << header;
  }
}

TEST_F(SafetensorsTest, RefusesOtherJsonThanTensors) {
  EXPECT_EQ(refusal(file_of(R"({"a":1})")), "tensor 'a': a number where an object should stand");
  EXPECT_EQ(refusal(file_of(R"({"a":null})")), "tensor 'a': null where an object should stand");
  EXPECT_EQ(refusal(file_of(R"({"a":[]})")), "tensor 'a': an array where an object should stand");
  EXPECT_EQ(refusal(file_of(R"({"a":{"b":0}})")), "tensor 'a': unknown field 'b'");
  EXPECT_EQ(refusal(file_of(R"({"__metadata__":[]})")), "__metadata__: an array where an object should stand");
  EXPECT_EQ(refusal(file_of(R"({"__metadata__":{"k":true}})")),
            "__metadata__ 'k': a boolean where a string should stand");
}

TEST_F(SafetensorsTest, RefusesMissingFields) {
  EXPECT_EQ(refusal(file_of(R"({"a":{}})")), "tensor 'a': has no dtype");
  EXPECT_EQ(refusal(file_of(R"({"a":{"dtype":"U8"}})")), "tensor 'a': has no shape");
  EXPECT_EQ(refusal(file_of(R"({"a":{"dtype":"U8","shape":[]}})")), "tensor 'a': has no data_offsets");
}

TEST_F(SafetensorsTest, RefusesOverlaps) {
  EXPECT_EQ(refusal(file_of(R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},)"
                            R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                            std::string(8, 'x'))),
            "tensor 'b': data_offsets [4, 8] overlap another tensor: 6 bytes are taken so far");
  EXPECT_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
                              R"("b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
                              std::string(8, 'x'))),
              HasSubstr("overlap another tensor"));
  EXPECT_THAT(refusal(file_of(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
                              R"("b":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}})",
                              std::string(8, 'x'))),
              HasSubstr("overlap another tensor"));
}

TEST_F(SafetensorsTest, RefusesReversedOffsets) {
  EXPECT_EQ(refused_field("\"U8\"", "[8]", "[8,0]"), "tensor 'a': data_offsets [8, 0] are reversed");
}

TEST_F(SafetensorsTest, RefusesHoles) {
  EXPECT_EQ(refused_field("\"U8\"", "[4]", "[4,8]"),
            "tensor 'a': data_offsets [4, 8] leave a hole before them: 0 bytes are taken so far");
}

TEST_F(SafetensorsTest, RefusesOffsetsOutOfRange) {
  EXPECT_EQ(refused_field("\"U8\"", "[9]", "[0,9]"),
            "tensor 'a': data_offsets [0, 9] reach beyond the 8 bytes of data: was the download cut short?");
  EXPECT_THAT(refused_field("\"U8\"", "[1]", "[18446744073709551614,18446744073709551615]"), HasSubstr("reach beyond"));
}

TEST_F(SafetensorsTest, RefusesOffsetsThatAreNotTwo) {
  EXPECT_EQ(refused_field("\"U8\"", "[8]", "[0]"), "tensor 'a': data_offsets: 1 numbers instead of two");
  EXPECT_EQ(refused_field("\"U8\"", "[8]", "[0,8,8]"), "tensor 'a': data_offsets: more than two numbers");
  EXPECT_EQ(refused_field("\"U8\"", "[8]", "[0,[8]]"),
            "tensor 'a': data_offsets: an array where a number that is not negative should stand");
}

TEST_F(SafetensorsTest, RefusesSizeThatIsNotShapeTimesType) {
  EXPECT_EQ(refused_field("\"F32\"", "[3]", "[0,8]"),
            "tensor 'a': data_offsets [0, 8] hold 8 bytes, shape 3 of F32 needs 12");
  EXPECT_EQ(refused_field("\"F32\"", "[]", "[0,8]"),
            "tensor 'a': data_offsets [0, 8] hold 8 bytes, shape scalar of F32 needs 4");
}

TEST_F(SafetensorsTest, RefusesOverflowingShapes) {
  EXPECT_EQ(refused_field("\"F32\"", "[4294967296,4294967296]", "[0,8]"),
            "tensor 'a': shape 4294967296x4294967296 is too large");
  EXPECT_THAT(refused_field("\"F64\"", "[9223372036854775807]", "[0,8]"), HasSubstr("is too large"));
  EXPECT_THAT(refused_field("\"U8\"", "[9223372036854775808]", "[0,8]"), HasSubstr("is too large a size"));
}

TEST_F(SafetensorsTest, RefusesTrailingBytes) {
  EXPECT_EQ(refused_field("\"U8\"", "[5]", "[0,5]"), "offset 66: 3 bytes after the last tensor");
}

TEST_F(SafetensorsTest, RefusesDuplicateKeys) {
  const std::string a = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_EQ(refusal(file_of("{" + a + "," + a + "}")), "tensor 'a': is there twice");
  EXPECT_EQ(refusal(file_of(R"({"a":{"dtype":"U8","dtype":"U8"}})")), "tensor 'a': dtype: is there twice");
  EXPECT_EQ(refusal(file_of(R"({"a":{"shape":[],"shape":[]}})")), "tensor 'a': shape: is there twice");
  EXPECT_EQ(refusal(file_of(R"({"a":{"data_offsets":[0,0],"data_offsets":[0,0]}})")),
            "tensor 'a': data_offsets: is there twice");
  EXPECT_EQ(refusal(file_of(R"({"__metadata__":{"k":"1","k":"2"}})")), "__metadata__ 'k': is there twice");
  EXPECT_EQ(refusal(file_of(R"({"__metadata__":{},"__metadata__":{}})")), "__metadata__: is there twice");
}

TEST_F(SafetensorsTest, RefusesUnknownTypes) {
  EXPECT_EQ(refused_field("\"F8_E4M3\"", "[8]", "[0,8]"), "tensor 'a': dtype: unknown type 'F8_E4M3'");
  EXPECT_EQ(refused_field("\"\\n\"", "[8]", "[0,8]"), "tensor 'a': dtype: unknown type '\\x0a'");
  EXPECT_EQ(refused_field("7", "[8]", "[0,8]"), "tensor 'a': dtype: a number where a string should stand");
}

TEST_F(SafetensorsTest, RefusesNegativeAndFractionalNumbers) {
  const std::string wanted = " where a number that is not negative should stand";
  EXPECT_EQ(refused_field("\"U8\"", "[-8]", "[0,8]"), "tensor 'a': shape: a negative number" + wanted);
  EXPECT_EQ(refused_field("\"U8\"", "[8]", "[-8,0]"), "tensor 'a': data_offsets: a negative number" + wanted);
  for (const char* number : {"[8.0]", "[8e0]", "[18446744073709551616]"}) {
    EXPECT_EQ(refused_field("\"U8\"", number, "[0,8]"),
              "tensor 'a': shape: a fraction or a number beyond 64 bits" + wanted);
  }
  EXPECT_EQ(refused_field("\"U8\"", "[1e999]", "[0,8]"), "offset 40: the header is not well-formed JSON");
}

TEST_F(SafetensorsTest, RefusesDepthBombs) {
  const std::string depth(1'000'000, '[');
  EXPECT_THAT(refusal(file_of(R"({"a":)" + depth)), HasSubstr("an array where an object should stand"));
  std::string objects = "{";
  for (int i = 0; i < 100'000; ++i) objects += R"("a":{)";
  EXPECT_THAT(refusal(file_of(objects)), HasSubstr("unknown field 'a'"));
  EXPECT_THAT(refused_field("\"U8\"", depth, "[0,8]"), HasSubstr("an array where a number"));
}

TEST_F(SafetensorsTest, RefusesTooManyDimensions) {
  std::string shape = "[1";
  for (int i = 0; i < 64; ++i) shape += ",1";
  EXPECT_EQ(refused_field("\"U8\"", shape + "]", "[0,1]"), "tensor 'a': shape: more than 64 dimensions");
}

TEST_F(SafetensorsTest, RefusesEndlessStringsAndBlanks) {
  EXPECT_THAT(refusal(file_of("{\"" + std::string(2 << 20, 'x') + "\":{}}")), HasSubstr("is longer than 1048576"));
  EXPECT_THAT(refusal(file_of("{" + std::string(2 << 20, ' ') + "}")), HasSubstr("is longer than 1048576"));
}

TEST_F(SafetensorsTest, RefusesMoreThanItsMemory) {
  std::string header = R"({"__metadata__":{)";
  for (int i = 0; i < 300'000; ++i) header += fmt::format("\"{}\":\"\",", i);
  header.back() = '}';
  EXPECT_THAT(refusal(file_of(header + "}")), HasSubstr("metadata need more memory than the file's size and 12 MiB"));
}

TEST_F(SafetensorsTest, ShowsHostileNamesOnOneLine) {
  EXPECT_THAT(refusal(file_of("{\"a\\n\\u001b[31m\":{}}")), StartsWith("tensor 'a\\x0a\\x1b[31m': has no dtype"));
}

struct Cost {
  double seconds = 0;     // of the processor, the same on a busy machine
  std::size_t bytes = 0;  // at most
  std::size_t allowed = 0;
};

// Of reading 100,000 tensors whose names are a number behind this many letters.
Cost cost_of_many(const FormatTest& test, std::size_t letters) {
  constexpr std::size_t kCount = 100'000;
  std::string header = "{";
  for (std::size_t i = 0; i < kCount; ++i) {
    header +=
        fmt::format(R"("{:a>{}}{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}},)", "", letters, i, i, i + 1);
  }
  header.back() = '}';
  const std::string file = test.write("m.safetensors", file_of(header, std::string(kCount, 'x')));
  const std::size_t size = header.size() + 8 + kCount;
  header = std::string();

  clear_peak();
  const std::size_t before = peak_memory();
  const std::clock_t start = std::clock();
  const TensorFile read = read_safetensors(CheckedFile::open(file), file);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const std::size_t after = peak_memory();
  EXPECT_EQ(read.tensors.size(), kCount);
  EXPECT_EQ(read.tensors.at(std::string(letters, 'a') + "99999").bytes().size(), 1U);
  return {seconds, after - before, size + (16U << 20)};
}

TEST_F(SafetensorsTest, Reads100000TensorsQuicklyAndSmall) {
  const Cost cost = cost_of_many(*this, 0);
  if (kSanitized) GTEST_SKIP() << "time and memory are not measured under a sanitizer";
  EXPECT_LT(cost.seconds, 1.0);
  EXPECT_LT(cost.bytes, cost.allowed);
  RecordProperty("seconds", std::to_string(cost.seconds));
  RecordProperty("bytes", std::to_string(cost.bytes));
}

TEST_F(SafetensorsTest, LongNamesTakeNoMoreThanTheirLength) {
  if (kSanitized) GTEST_SKIP() << "memory is not measured under a sanitizer";
  const Cost cost = cost_of_many(*this, 520);  // just beyond a capacity that strings grow to
  EXPECT_LT(cost.bytes, cost.allowed);
}

TEST_F(SafetensorsTest, TellsItsFilesByTheirBytes) {
  const auto looks = [](const std::string& text) { return looks_like_safetensors(std::as_bytes(std::span(text))); };
  EXPECT_TRUE(looks(file_of("{}")));
  EXPECT_TRUE(looks(length_of(0x280) + "{"));
  EXPECT_FALSE(looks(length_of(2)));
  EXPECT_FALSE(looks(file_of("[]")));
  EXPECT_FALSE(looks("PK\3\4abcd{}"));
}

}  // namespace
}  // namespace resnet
