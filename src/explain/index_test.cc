#include "explain/index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "formats/npy.h"
#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

class IndexTest : public ::testing::Test {
 protected:
  ~IndexTest() override { std::filesystem::remove(path_); }

  void write(const std::string& notes, std::span<const float> rows, std::int64_t columns) {
    NpyRowWriter writer(path_, columns);
    writer.add(rows);
    writer.commit({reinterpret_cast<const std::uint8_t*>(notes.data()), notes.size()});
  }

  std::string error() {
    try {
      EmbeddingIndex::open(path_);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  IndexNotes notes(std::vector<std::string> paths) {
    return {"m.safetensors", "00ff", std::nullopt, Precision::kInt8, "layer3", false, preset("timm"), std::move(paths)};
  }

  std::string text(const IndexNotes& notes) {
    const std::vector<std::uint8_t> bytes = to_json(notes);
    return {bytes.begin(), bytes.end()};
  }

  std::string path_ = std::filesystem::temp_directory_path() / ("resnet-index-" + std::to_string(::getpid()) + ".npy");
};

TEST_F(IndexTest, FindsTheSmallestAngles) {
  IndexNotes said = notes({"a", "b", "c", "zero"});
  said.take = "teacher";
  said.network = find_architecture("resnet18");
  write(text(said), std::vector<float>{1, 0, 3, 3, -2, 0, 0, 0}, 2);
  const EmbeddingIndex index = EmbeddingIndex::open(path_);
  EXPECT_EQ(index.size(), 2);
  EXPECT_EQ(index.notes().precision, Precision::kInt8);
  EXPECT_EQ(index.notes().layer, "layer3");
  EXPECT_FALSE(index.notes().apply_orientation);
  EXPECT_EQ(index.notes().preprocessing, preset("timm"));
  EXPECT_EQ(index.notes().paths[1], "b");
  EXPECT_EQ(index.notes().take, "teacher");
  EXPECT_EQ(index.notes().network, find_architecture("resnet18"));
  EXPECT_EQ(index.notes().head, "");
  const std::vector<float> query = {5, 0};
  const std::vector<Match> matches = index.nearest(query, 9);
  ASSERT_EQ(matches.size(), 4U);
  EXPECT_EQ(matches[0].row, 0U);
  EXPECT_FLOAT_EQ(matches[0].cosine, 1);
  EXPECT_EQ(matches[1].row, 1U);
  EXPECT_NEAR(matches[1].cosine, 0.70710678, 1e-6);
  EXPECT_EQ(matches[2].row, 3U);
  EXPECT_EQ(matches[3].cosine, -1);
  EXPECT_EQ(index.nearest(query, 1).size(), 1U);
  EXPECT_THROW(index.nearest(std::vector<float>{1, 2, 3}, 1), Error);
}

TEST_F(IndexTest, LosesNoByteOfAName) {
  const std::vector<std::string> paths = {"caf\xE9.jpg", "a\nb\x1B.jpg", "\xF0\x9F\x98\x80", "\\udce9", "\xED\xB3\xA9"};
  IndexNotes odd = notes(paths);
  odd.model = "m\xFF.safetensors";
  write(text(odd), std::vector<float>(5), 1);
  const EmbeddingIndex index = EmbeddingIndex::open(path_);
  EXPECT_EQ(index.notes().paths, paths);
  EXPECT_EQ(index.notes().model, odd.model);
}

TEST_F(IndexTest, RefusesWhatIsNoIndex) {
  const std::vector<float> rows = {1, 2};
  const std::int64_t shape[] = {1, 2};
  write_npy(path_, shape, std::span(rows));
  EXPECT_THAT(error(), HasSubstr("an array alone"));
  for (const char* text : {"", "[]", "{", "{\"resnet_index\":2}", "{\"resnet_index\":1,\"model\":3}"}) {
    write(text, rows, 2);
    EXPECT_THAT(error(), HasSubstr("index")) << text;
  }
  write(text(notes({"a", "b"})), rows, 2);
  EXPECT_THAT(error(), HasSubstr("a path for each of its 1 rows"));
  std::string wrong = text(notes({"a"}));
  wrong.replace(wrong.find("[\"a\"]"), 5, "[null]");
  write(wrong, rows, 2);
  EXPECT_THAT(error(), HasSubstr("a path of the index is no text"));
  wrong = text(notes({"a"}));
  wrong.replace(wrong.find("\"height\":224"), 12, "\"height\":-1");
  write(wrong, rows, 2);
  EXPECT_THAT(error(), HasSubstr("preprocessing"));
  wrong = text(notes({"a"}));
  wrong.replace(wrong.find("\"int8\""), 6, "\"int7\"");
  write(wrong, rows, 2);
  EXPECT_THAT(error(), HasSubstr(path_ + ": precision: 'int7'"));
}

// Functions of the JSON library's that call themselves for each level would run out of stack.
TEST_F(IndexTest, RefusesWhatIsNestedDeeply) {
  constexpr std::size_t kLevels = 1'000'000;
  const std::string arrays = std::string(kLevels, '[') + std::string(kLevels, ']');
  std::string objects;
  for (std::size_t i = 0; i < kLevels; ++i) objects += "{\"a\":";
  objects += "1" + std::string(kLevels, '}');
  const std::string good = text(notes({"a"}));
  const std::string how = good.substr(good.find("{\"height\""), good.find('}') + 1 - good.find("{\"height\""));
  for (const std::string& part : {how, std::string("[\"a\"]"), std::string("1")}) {
    for (const std::string& deep : {arrays, objects}) {
      std::string wrong = good;
      wrong.replace(wrong.find(part), part.size(), deep);
      write(wrong, std::vector<float>{1, 2}, 2);
      EXPECT_THAT(error(), HasSubstr("index")) << part;
    }
  }
}

}  // namespace
}  // namespace resnet
