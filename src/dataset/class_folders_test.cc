#include "dataset/class_folders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace resnet {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Names that end in .jpg are pictures, in / folders.
ClassFolders of(const std::vector<std::string>& paths) {
  std::vector<TreeEntry> entries;
  for (const std::string& path : paths) {
    const std::string_view name = std::string_view(path).substr(0, path.size() - (path.ends_with('/') ? 1 : 0));
    const auto kind = path.ends_with('/')      ? TreeEntry::Kind::kFolder
                      : path.ends_with(".jpg") ? TreeEntry::Kind::kPicture
                                               : TreeEntry::Kind::kOther;
    entries.push_back({name, kind});
  }
  return ClassFolders(entries);
}

TEST(ClassFoldersTest, TakeTheFirstFolderBelowTheRoot) {
  const ClassFolders folders = of({"cat/1.jpg", "dog/2019/1.jpg", "dog/2020/summer/1.jpg", "dog/", "README"});
  EXPECT_EQ(folders.root(), "");
  EXPECT_THAT(folders.parts(), IsEmpty());
  EXPECT_EQ(folders.class_of("cat/1.jpg"), "cat");
  EXPECT_EQ(folders.class_of("dog/2020/summer/1.jpg"), "dog");
  EXPECT_EQ(folders.class_of("stray.jpg"), "");
  EXPECT_EQ(folders.part_of("cat/1.jpg"), "");
  EXPECT_THAT(folders.without_pictures(), IsEmpty());
}

TEST(ClassFoldersTest, LeaveOutAFolderThatHoldsEverything) {
  EXPECT_EQ(of({"data/cat/1.jpg", "data/dog/a/1.jpg"}).root(), "data/");
  EXPECT_EQ(of({"home/me/data/cat/1.jpg", "home/me/data/dog/1.jpg", "readme.txt"}).root(), "home/me/data/");
  EXPECT_EQ(of({"data/cat/a/1.jpg", "data/dog/1.jpg"}).class_of("data/cat/a/1.jpg"), "cat");
  EXPECT_EQ(of({"data/", "data/cat/", "data/cat/1.jpg"}).class_of("data/cat/1.jpg"), "cat");
}

TEST(ClassFoldersTest, AClassAloneStaysAClass) {
  EXPECT_EQ(of({"cat/1.jpg"}).root(), "");
  EXPECT_EQ(of({"cat/1.jpg", "cat/old/1.jpg"}).root(), "");
  EXPECT_EQ(of({"data/cat/1.jpg"}).root(), "data/");
  EXPECT_EQ(of({"1.jpg"}).root(), "");
  EXPECT_EQ(of({"data/1.jpg", "2.jpg"}).root(), "") << "a picture lies beside it";
}

TEST(ClassFoldersTest, KnowParts) {
  const ClassFolders two = of({"top/train/cat/1.jpg", "top/train/dog/a/1.jpg", "top/val/cat/1.jpg"});
  EXPECT_EQ(two.root(), "top/");
  EXPECT_THAT(two.parts(), ElementsAre("train", "val"));
  EXPECT_EQ(two.class_of("top/train/dog/a/1.jpg"), "dog");
  EXPECT_EQ(two.part_of("top/train/dog/a/1.jpg"), "train");
  EXPECT_EQ(two.class_of("top/train/1.jpg"), "");
  EXPECT_EQ(validation_part(two.parts()), "val");

  EXPECT_EQ(validation_part(of({"train/a/1.jpg", "test/a/1.jpg", "valid/a/1.jpg"}).parts()), "valid");
  EXPECT_THAT(of({"val/a/1.jpg", "test/a/1.jpg"}).parts(), IsEmpty()) << "nothing to train on";
  EXPECT_THAT(of({"train/a/1.jpg", "val/a/1.jpg", "bus/a/1.jpg"}).parts(), IsEmpty()) << "these are classes";
  EXPECT_THAT(of({"train/a/1.jpg", "val/a/1.jpg", "1.jpg"}).parts(), IsEmpty());
  EXPECT_EQ(of({"train/a/1.jpg", "train/b/1.jpg"}).root(), "train/") << "one part is a folder that holds everything";
}

TEST(ClassFoldersTest, NameFoldersWithoutPictures) {
  EXPECT_THAT(of({"cat/1.jpg", "cow/", "docs/a/readme"}).without_pictures(), ElementsAre("cow", "docs"));
  EXPECT_THAT(of({"t/train/a/1.jpg", "t/train/b/", "t/val/"}).without_pictures(), ElementsAre("t/val", "t/train/b"));
  EXPECT_THAT(of({"cat/1.jpg", "cat/empty/", "cat/notes/x"}).without_pictures(), IsEmpty());
}

TEST(ClassFoldersTest, HideWhatBeginsWithADot) {
  for (const char* path : {".git/1.jpg", "cat/.cache/1.jpg", "cat/._1.jpg", "__MACOSX/cat/1.jpg"}) {
    EXPECT_TRUE(is_hidden(path)) << path;
  }
  for (const char* path : {"cat/1.jpg", "a.b/c", "c/1..jpg", "MACOSX/1.jpg"}) EXPECT_FALSE(is_hidden(path)) << path;
}

}  // namespace
}  // namespace resnet
