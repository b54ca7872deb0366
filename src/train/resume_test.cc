// A run knows its pictures: --resume with others is refused, with the same ones elsewhere it goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "formats/npy.h"
#include "journal/checkpoints.h"
#include "resnet/error.h"
#include "resnet/train.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ResumeTest : public ::testing::Test {
 protected:
  ResumeTest() {
    std::string pattern = (fs::temp_directory_path() / "resnet-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = pattern;
    for (int i = 0; i < 8; ++i) {
      write("data/cat/" + std::to_string(i) + ".npy", 10 * i);
      write("data/dog/old/" + std::to_string(i) + ".npy", 255 - 10 * i);
    }
    options_.recipe.arch = "resnet20";
    options_.recipe.changes.set(&Architecture::depths, {1, 1}).set(&Architecture::widths, {4, 8});
    options_.recipe.size = 16;
    options_.recipe.crop = Recipe::Crop::kNone;
    options_.recipe.batch = 4;
    options_.recipe.epochs = 2;
    options_.recipe.threads = 1;
    options_.recipe.data = directory_ / "data";
    options_.out = directory_ / "run";
    options_.resume = true;
  }
  ~ResumeTest() override { fs::remove_all(directory_); }

  void write(const std::string& path, int value) const {
    fs::create_directories((directory_ / path).parent_path());
    const std::vector<std::uint8_t> pixels(16 * 16 * 3, static_cast<std::uint8_t>(value));
    const std::vector<std::byte> bytes = make_npy(std::vector<std::int64_t>{16, 16, 3}, pixels);
    std::ofstream(directory_ / path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  // Trains for one step.
  void begin() {
    TrainHooks hooks;
    hooks.stop = [] { return true; };
    EXPECT_EQ(train(options_, hooks).end, TrainEnd::kStopped);
  }

  // What the run says when it goes on to its end.
  std::string go_on() {
    std::string said;
    TrainHooks hooks;
    hooks.notice = [&](const std::string& text) { said += text + "\n"; };
    EXPECT_EQ(train(options_, hooks).end, TrainEnd::kFinished);
    return said;
  }

  std::string refusal() {
    try {
      train(options_);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  fs::path directory_;
  TrainOptions options_;
};

TEST_F(ResumeTest, RefusesOtherPictures) {
  begin();
  write("data/cat/new.npy", 3);
  const std::string refused = (directory_ / "run").string() +
                              ": the run was begun with 16 pictures to learn from and 0 to validate with, now there "
                              "are 17 pictures to learn from and 0 to validate with (added cat/new.npy): put the data "
                              "back, or begin anew with another --out";
  EXPECT_EQ(refusal(), refused);
  const std::string best = (directory_ / "run/best.safetensors").string();
  std::ofstream(best) << "weights";
  EXPECT_EQ(refusal(), refused + ", and --from " + best + " for its weights");
  fs::remove(directory_ / "data/cat/3.npy");
  EXPECT_THAT(refusal(), HasSubstr("(added cat/new.npy; gone: cat/3.npy)")) << "as many as before";
  for (int i = 0; i < 5; ++i) write("data/dog/" + std::to_string(i) + ".npy", i);
  EXPECT_THAT(refusal(), HasSubstr("(added cat/new.npy, dog/0.npy, dog/1.npy and 3 more; gone: cat/3.npy)"));
  fs::remove(directory_ / "run/pictures.txt");
  EXPECT_THAT(refusal(), HasSubstr("(which ones are others is not known)"));
  fs::remove_all(directory_ / "data/dog");
  for (int i = 0; i < 8; ++i) write("data/dog/old/" + std::to_string(i) + ".npy", i);
  fs::remove(directory_ / "data/cat/new.npy");
  write("data/cat/3.npy", 30);
  EXPECT_THAT(go_on(), HasSubstr("goes on from")) << "they are as they were";
}

TEST_F(ResumeTest, NamesOtherClassesBeforeWhatFollowsFromThem) {
  begin();
  write("data/elk/0.npy", 7);
  EXPECT_THAT(refusal(),
              HasSubstr("has learned other classes than the data holds: [\"cat\",\"dog\"], not cat, dog, elk"));
}

TEST_F(ResumeTest, NamesAFolderInThePlaceOfItsList) {
  begin();
  fs::remove(directory_ / "run/pictures.txt");
  fs::create_directory(directory_ / "run/pictures.txt");
  EXPECT_THAT(refusal(), HasSubstr("pictures.txt: is a directory"));
}

TEST_F(ResumeTest, RefusesAnotherSplit) {
  options_.recipe.val = "0.25";
  begin();
  EXPECT_TRUE(fs::exists(directory_ / "run/pictures.txt"));
  fs::create_directories(directory_ / "val/cat");
  fs::create_directories(directory_ / "val/dog/old");
  for (const char* name : {"0", "1", "2", "3"}) {
    for (const std::string folder : {"cat/", "dog/old/"}) {
      fs::rename(directory_ / ("data/" + folder + name + ".npy"), directory_ / ("val/" + folder + name + ".npy"));
    }
  }
  options_.recipe.val = directory_ / "val";
  EXPECT_THAT(refusal(),
              HasSubstr("12 pictures to learn from and 4 to validate with, now there are 8 pictures to learn "
                        "from and 8 to validate with (the same pictures, but other ones validate: moved "));
}

TEST_F(ResumeTest, GoesOnWithTheSamePicturesElsewhere) {
  begin();
  const auto run = [](const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; };
  const std::string at = directory_.string();
  run("tar -C '" + at + "' --sort=name -czf '" + at + "/data.tar.gz' data");
  fs::remove_all(directory_ / "data");
  options_.recipe.data = directory_ / "data.tar.gz";
  EXPECT_EQ(go_on().find("another order"), std::string::npos);
}

TEST_F(ResumeTest, SaysWherePicturesComeInAnotherOrder) {
  begin();
  const std::string at = directory_.string();
  const std::string command = "cd '" + at + "' && find data -type f | sort -r | tar -cf data.tar -T -";
  EXPECT_EQ(std::system(command.c_str()), 0);
  options_.recipe.data = directory_ / "data.tar";
  EXPECT_THAT(go_on(), HasSubstr("the pictures come in another order than when the run was begun"));
}

TEST_F(ResumeTest, GoesOnWithRunsThatDidNotNoteTheirPictures) {
  begin();
  const CheckpointFolder folder((directory_ / "run/checkpoints").string(), 3);
  Checkpoint checkpoint = folder.newest()->checkpoint;
  EXPECT_EQ(checkpoint.values.erase("run.data"), 1U);
  folder.save(checkpoint, 1);
  fs::remove(directory_ / "run/pictures.txt");
  write("data/cat/new.npy", 3);
  EXPECT_THAT(go_on(), HasSubstr("goes on from"));
  write("data/cat/newer.npy", 3);
  EXPECT_THAT(refusal(), HasSubstr("added cat/newer.npy")) << "from then on they are noted";
}

}  // namespace
}  // namespace resnet
