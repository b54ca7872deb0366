#include "dataset/image_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "dataset/test_directory.h"
#include "resnet/image.h"
#include "resnet/preprocessing.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string text_of(const FileBytes& file) {
  return {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()};
}

class ImageSetTest : public testing::DirectoryTest {
 protected:
  // "label text" of every picture.
  std::vector<std::string> pictures(const ImageSet& images) const {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < images.size(); ++i) {
      result.push_back(std::to_string(images.label(i)) + " " + text_of(images.read(i)));
    }
    return result;
  }

  void write_folders() const {
    write("data/dog/1.jpg", "d1");
    write("data/cat/2.jpg", "c2");
    write("data/dog/0.jpg", "d0");
  }

  // Records of CIFAR-10 with the labels given; the pixels of record i are i, i + 1 and i + 2 in red, green and blue.
  void write_cifar10(const std::string& path, const std::vector<int>& labels) const {
    std::string text;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      text += static_cast<char>(labels[i]);
      for (std::size_t c = 0; c < 3; ++c) text += std::string(1024, static_cast<char>(i + c));
    }
    write(path, text);
  }
};

TEST_F(ImageSetTest, ReadsFoldersAndArchives) {
  write_folders();
  const std::vector<std::string> expected = {"0 c2", "1 d0", "1 d1"};
  const ImageSet folder = ImageSet::open(at("data"));
  EXPECT_EQ(pictures(folder), expected);
  EXPECT_THAT(folder.classes(), ElementsAre("cat", "dog"));
  EXPECT_EQ(folder.inner_path(0), "cat/2.jpg");
  EXPECT_EQ(folder.part(0), "");
  for (const char* options : {"--sort=name", "--sort=name -z"}) {
    archive("data.tar", options);
    const ImageSet images = ImageSet::open(at("data.tar"));
    EXPECT_EQ(pictures(images), expected) << options;
    EXPECT_EQ(images.path(0), at("data.tar") + ":data/cat/2.jpg");
    EXPECT_EQ(images.inner_path(0), "cat/2.jpg");
  }
  EXPECT_EQ(pictures(folder.subset(std::vector<std::uint32_t>{2, 0})), (std::vector<std::string>{"1 d1", "0 c2"}));
  EXPECT_EQ(ImageSet().size(), 0U);
  EXPECT_TRUE(ImageSet().classes().empty());
}

TEST_F(ImageSetTest, HoldsNoMoreInMemoryThanItMay) {
  write_folders();
  archive("data.tar.gz", "-z");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("data.tar.gz"), {.max_memory = 5}); }), HasSubstr("held in memory"));
  EXPECT_EQ(ImageSet::open(at("data.tar.gz"), {.max_memory = 6}).size(), 3U);
  archive("data.tar", "");
  EXPECT_EQ(ImageSet::open(at("data.tar"), {.max_memory = 0}).size(), 3U);
}

TEST_F(ImageSetTest, NumbersWebDatasetsByTheirIndexes) {
  for (int i = 0; i < 11; ++i) {
    write("data/" + std::to_string(i) + ".cls", std::to_string(10 - i));
    write("data/" + std::to_string(i) + ".jpg", std::to_string(i));
  }
  archive("data.tar", "--sort=name");
  const ImageSet images = ImageSet::open(at("data.tar"));
  EXPECT_EQ(images.classes().size(), 11U);
  EXPECT_EQ(images.classes()[10], "10") << "by number, not by text";
  for (std::size_t i = 0; i < 11; ++i) EXPECT_EQ(images.label(i), 10 - std::stoi(text_of(images.read(i))));
  EXPECT_THAT(error_of([&] {
                ImageSet::open(at("data.tar"), {.classes = {"a", "b"}});
              }),
              HasSubstr("data/0.jpg: the label 10 is out of range, there are 2 classes"));
  const std::vector<std::string> names(11, "name");
  EXPECT_EQ(ImageSet::open(at("data.tar"), {.classes = names}).label(0), 10);
  write("data/3.cls", "2");
  archive("data.tar", "--sort=name");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("data.tar")); }),
              HasSubstr("data.tar: class 7 has no picture, but class 8 has"));
}

TEST_F(ImageSetTest, KeepsToTheClassesGiven) {
  write_folders();
  EXPECT_EQ(ImageSet::open(at("data"), {.classes = {"ant", "cat", "dog"}}).label(0), 1);
  EXPECT_THAT(error_of([&] { ImageSet::open(at("data"), {.classes = {"cat"}}); }),
              HasSubstr("dog/0.jpg: the class 'dog' is none of the 1 classes"));
}

TEST_F(ImageSetTest, RefusesNamesThatAreNoText) {
  write("data/\xFF\xFE/1.jpg");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("data")); }),
              HasSubstr("the name of the class '\\xff\\xfe' is not UTF-8"));
  fs::remove_all(directory_ / "data");
  write("data/a\nb/1.jpg");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("data")); }), HasSubstr("control characters"));
  fs::remove_all(directory_ / "data");
  write(
      "data/k\xC3\xA4"
      "fer/\xFF.jpg",
      "x");
  EXPECT_THAT(pictures(ImageSet::open(at("data"))), ElementsAre("0 x")) << "files may be called anything";
}

TEST_F(ImageSetTest, RefusesSetsOfNothing) {
  fs::create_directory(directory_ / "data");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("data")); }), HasSubstr("there are no class folders in it"));
  write("data/cat/notes.txt");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("data")); }), HasSubstr("cat: this class folder holds no pictures"));
  archive("data.tar", "");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("data.tar")); }), HasSubstr("data.tar: there are no pictures in it"));
  write("empty.tar", "");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("empty.tar")); }), HasSubstr("empty, no tar archive"));
  EXPECT_THAT(error_of([&] { ImageSet::open(at("absent")); }), HasSubstr("there is no such file"));
}

TEST_F(ImageSetTest, NoticesArchivesThatShrink) {
  write_folders();
  archive("data.tar", "--sort=name");
  write("other.tar", "short");
  const ImageSet images = ImageSet::open(at("data.tar"));
  EXPECT_EQ(text_of(images.read(0)), "c2") << "what is open stays, whatever happens to the name";
  const std::string whole = read("data.tar");
  write("data.tar", whole.substr(0, whole.size() - 9000));
  EXPECT_THAT(error_of([&] { ImageSet::open(at("data.tar")); }), HasSubstr("cut short"));
}

TEST_F(ImageSetTest, ReadsCifar10) {
  write_cifar10("c/data_batch_1.bin", {3, 0});
  write_cifar10("c/data_batch_2.bin", {9});
  write_cifar10("c/test_batch.bin", {1, 2});
  const ImageSet all = ImageSet::open(at("c"));
  ASSERT_EQ(all.size(), 5U);
  EXPECT_EQ(all.classes().size(), 10U);
  EXPECT_EQ(all.path(1), at("c/data_batch_1.bin[1]"));
  EXPECT_EQ(all.label(0), 3);
  EXPECT_EQ(all.label(2), 9);

  write_cifar10("c/data_batch_2.bin", {9, 1, 2, 4, 5, 6, 7, 8});
  write("c/batches.meta.txt", "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  const TrainingData data = open_training_data(at("c"), "", 1);
  EXPECT_EQ(data.train.size(), 10U);
  EXPECT_EQ(data.val.size(), 2U);
  EXPECT_EQ(data.train.classes()[3], "cat");
  EXPECT_EQ(data.val.label(1), 2);

  Preprocessing how;
  how.width = how.height = 32;
  how.resize = 0;
  how.mean = {0, 0, 0};
  how.std = {1, 1, 1};
  std::vector<float> out(3 * 32 * 32);
  load_input(all.read(1).bytes, "x", how, out);
  EXPECT_EQ(out[5], 1 / 255.0F);
  EXPECT_EQ(out[1024 + 5], 2 / 255.0F);
  EXPECT_EQ(out[2048 + 5], 3 / 255.0F);
}

TEST_F(ImageSetTest, ReadsCifar100) {
  std::string text;
  for (const int label : {99, 7}) {
    text += '\x05';
    text += static_cast<char>(label);
    text += std::string(3072, 'x');
  }
  write("c/train.bin", text);
  const ImageSet images = ImageSet::open(at("c/train.bin"));
  EXPECT_EQ(images.size(), 2U);
  EXPECT_EQ(images.classes().size(), 100U);
  EXPECT_EQ(images.label(0), 99);
  EXPECT_EQ(images.label(1), 7);
}

TEST_F(ImageSetTest, RefusesBrokenCifar) {
  write_cifar10("c/data_batch_1.bin", {3, 10});
  EXPECT_THAT(error_of([&] { ImageSet::open(at("c")); }),
              HasSubstr("data_batch_1.bin[1]: offset 3073: the label 10 is out of range, there are 10 classes"));
  write("c/data_batch_1.bin", std::string(3072, 'x'));
  EXPECT_THAT(error_of([&] { ImageSet::open(at("c")); }), HasSubstr("3072 bytes, no whole number of records of 3073"));
  write("c/data_batch_1.bin", "");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("c")); }), HasSubstr("0 bytes, no whole number of records"));
  write_cifar10("c/data_batch_1.bin", {3});
  write("c/batches.meta.txt", "cat\ndog\n");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("c")); }), HasSubstr("2 names, but CIFAR-10 has 10 classes"));
  fs::remove(directory_ / "c/batches.meta.txt");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("c"), {.dataset = {"test", ""}}); }), HasSubstr("CIFAR's part test"));
  EXPECT_THAT(error_of([&] { ImageSet::open(at("c"), {.dataset = {"x", ""}}); }), HasSubstr("train and test"));
  write("c/train.bin", std::string(3074, '\0'));
  EXPECT_THAT(error_of([&] { ImageSet::open(at("c")); }), HasSubstr("of CIFAR-10 and of CIFAR-100"));
}

TEST_F(ImageSetTest, TakesThePartsOfASetThatHasThem) {
  write("data/train/dog/1.jpg", "t1");
  write("data/train/cat/1.jpg", "t0");
  write("data/val/dog/1.jpg", "v1");
  const auto check = [&](const std::string& path, const std::string& val) {
    const TrainingData data = open_training_data(at(path), val, 1);
    EXPECT_EQ(pictures(data.train), (std::vector<std::string>{"0 t0", "1 t1"})) << path;
    EXPECT_EQ(pictures(data.val), (std::vector<std::string>{"1 v1"})) << path;
  };
  check("data", "");
  check("data/train", at("data/val"));
  check("data:train", at("data:val"));
  archive_files("data.tar", "-C data train val", "--sort=name");
  check("data.tar", "");
  check("data.tar:train", at("data.tar:val"));
  check("data", at("data.tar:val"));
  archive_files("data.tar.gz", "-C data train val", "--sort=name -z");
  check("data.tar.gz", "");

  write("data/extra/cat/1.jpg", "e");
  EXPECT_EQ(open_training_data(at("data"), "", 1).train.classes().size(), 3U) << "now these are classes";
  write("data/val/ant/1.jpg");
  EXPECT_THAT(error_of([&] { open_training_data(at("data:train"), at("data:val"), 1); }),
              HasSubstr("the class 'ant' is none of the 2 classes"));
  fs::remove_all(directory_ / "data/extra");
  fs::remove_all(directory_ / "data.tar");
  archive_files("data.tar", "-C data train val", "--sort=name");
  EXPECT_THAT(error_of([&] { open_training_data(at("data.tar"), "", 1); }),
              HasSubstr("the class 'ant' has no picture to train on"));
}

TEST_F(ImageSetTest, SplitsEachClass) {
  for (int i = 0; i < 40; ++i) write("data/a/" + std::to_string(i) + ".jpg", "a" + std::to_string(i));
  for (int i = 0; i < 10; ++i) write("data/b/" + std::to_string(i) + ".jpg", "b" + std::to_string(i));
  for (int i = 0; i < 2; ++i) write("data/c/" + std::to_string(i) + ".jpg", "c" + std::to_string(i));
  write("data/d/0.jpg", "d");
  const ImageSet images = ImageSet::open(at("data"));
  const auto [train, val] = split(images, 0.2, 5);
  std::vector<int> counts(4);
  for (std::size_t i = 0; i < val.size(); ++i) ++counts[static_cast<std::size_t>(val.label(i))];
  EXPECT_THAT(counts, ElementsAre(8, 2, 1, 0));
  std::set<std::string> seen;
  for (const ImageSet& part : {train, val}) {
    EXPECT_EQ(part.classes(), images.classes());
    for (const std::string& picture : pictures(part)) EXPECT_TRUE(seen.insert(picture).second) << picture;
  }
  EXPECT_EQ(seen.size(), images.size());
  EXPECT_EQ(pictures(split(images, 0.2, 5).second), pictures(val));
  EXPECT_NE(pictures(split(images, 0.2, 6).second), pictures(val));
  EXPECT_EQ(pictures(open_training_data(at("data"), "0.2", 5).val), pictures(val));
  for (const char* fraction : {"0", "1", "-0.5", "nan", "1e400"}) {
    EXPECT_NE(error_of([&] { open_training_data(at("data"), fraction, 5); }), "no error") << fraction;
  }
  write("one/d/0.jpg", "d");
  EXPECT_THAT(error_of([&] { open_training_data(at("one"), "0.5", 5); }), HasSubstr("1 pictures are too few"));
}

}  // namespace
}  // namespace resnet
