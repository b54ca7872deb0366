// One tree of pictures as a directory and as archives of every kind: the same pictures of the same classes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"
#include "dataset/image_set.h"
#include "dataset/test_directory.h"

namespace resnet {
namespace {

using Pictures = std::map<std::string, std::string>;  // path from the root on -> class

// A tree below the folder `data`, and what torchvision's ImageFolder makes of it.
class Tree {
 public:
  explicit Tree(std::uint64_t seed) : random_(seed) {
    if (random_.below(2) == 0) {
      add_classes("");
      return;
    }
    add_classes("train/");
    add_classes(random_.below(2) == 0 ? "val/" : "test/");
    if (random_.below(3) == 0) add_classes("validation/");
  }

  const std::vector<std::string>& files() const { return files_; }
  const Pictures& pictures() const { return pictures_; }

 private:
  void add_classes(const std::string& part) {
    std::vector<std::string> names = {"cat",
                                      "dog",
                                      "cow 2",
                                      "k\xC3\xA4"
                                      "fer",
                                      "a.b",
                                      "-",
                                      "train-set",
                                      "2019"};
    const int count = 2 + random_.below(3);
    for (int c = 0; c < count; ++c) {
      const auto chosen = names.begin() + random_.below(static_cast<int>(names.size()));
      add_class(part, *chosen);
      names.erase(chosen);
    }
    if (random_.below(2) == 0) files_.push_back(part + "README.txt");
    if (random_.below(2) == 0) files_.push_back(part + ".hidden/dog/1.jpg");
  }

  void add_class(const std::string& part, const std::string& name) {
    const int count = 1 + random_.below(4);
    for (int i = 0; i < count; ++i) {
      std::string path = part + name + "/";
      for (int depth = random_.below(4); depth > 0; --depth) path += random_.below(2) == 0 ? "2019/" : "cat/";
      path += std::to_string(i) + (random_.below(2) == 0 ? ".jpg" : ".a.PNG");
      files_.push_back(path);
      pictures_[path] = name;
    }
    if (random_.below(3) == 0) files_.push_back(part + name + "/notes/readme.txt");
    if (random_.below(3) == 0) files_.push_back(part + name + "/.9.jpg");
    if (random_.below(3) == 0) files_.push_back(part + name + "/__MACOSX/._1.jpg");
  }

  Random random_;
  std::vector<std::string> files_;
  Pictures pictures_;
};

class PropertyFormsTest : public testing::DirectoryTest {
 protected:
  static Pictures pictures_of(const ImageSet& images) {
    Pictures result;
    for (std::size_t i = 0; i < images.size(); ++i) {
      result[images.inner_path(i)] = images.classes()[static_cast<std::size_t>(images.label(i))];
    }
    return result;
  }

  void check(const std::string& path, const Tree& tree) const {
    const ImageSet images = ImageSet::open(path);
    EXPECT_EQ(pictures_of(images), tree.pictures()) << path;
    for (std::size_t i = 0; i < images.size(); ++i) {  // what is read is the file that was named
      const FileBytes file = images.read(i);
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()), images.inner_path(i));
    }
    const auto source = Dataset::open(path).items();
    std::size_t count = 0;
    for (; const auto item = source->next(); ++count) {
      EXPECT_TRUE(item->path.ends_with(images.inner_path(count)));
      EXPECT_EQ(item->label, images.classes()[static_cast<std::size_t>(images.label(count))]) << item->path;
      if (item->bytes) {
        EXPECT_TRUE(
            item->path.ends_with(std::string(reinterpret_cast<const char*>(item->bytes->data()), item->bytes->size())));
      }
    }
    EXPECT_EQ(count, images.size());
  }

  // All names at the top, quoted.
  static std::string tops(const Tree& tree) {
    std::vector<std::string> names;
    for (const std::string& file : tree.files()) names.push_back(file.substr(0, file.find('/')));
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string text;
    for (const std::string& name : names) text += " './" + name + "'";
    return text;
  }
};

TEST_F(PropertyFormsTest, GiveTheSamePicturesOfTheSameClasses) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(seed);
    std::filesystem::remove_all(directory_ / "top");
    const Tree tree(seed);
    for (const std::string& file : tree.files()) write("top/data/" + file, file);
    check(at("top/data"), tree);
    check(at("top"), tree);
    archive_files("dot.tar", "-C top/data .");
    archive_files("names.tar", "-C top/data" + tops(tree));
    archive_files("folder.tar", "-C top data");
    archive_files("deep.tar", "top");
    archive_files("packed.tar.gz", "-C top data", "-z");
    archive_files("packed.tar.xz", "-C top/data .", "-J");
    archive_files("packed.tar.bz2", "-C top data", "-j");
    archive_files("packed.tar.zst", "-C top/data .", "--zstd");
    for (const char* name : {"dot.tar", "names.tar", "folder.tar", "deep.tar", "packed.tar.gz", "packed.tar.xz",
                             "packed.tar.bz2", "packed.tar.zst"}) {
      check(at(name), tree);
    }
    zip("packed.zip", "top/data");
    zip("stored.zip", "top/data", "data/", "compression=zipfile.ZIP_STORED");
    zip("dots.zip", "top/data", "./data/");
    for (const char* name : {"packed.zip", "stored.zip", "dots.zip"}) check(at(name), tree);
    std::string halves[2];
    for (std::size_t i = 0; i < tree.files().size(); ++i) halves[i % 2] += " 'data/" + tree.files()[i] + "'";
    archive_files("shard-0.tar", "-C top" + halves[0]);
    archive_files("shard-1.tar", "-C top" + halves[1], seed % 2 == 0 ? "-z" : "");
    check(at("shard-{0..1}.tar"), tree);
  }
}

TEST_F(PropertyFormsTest, TrainAndValidateAlike) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    std::filesystem::remove_all(directory_ / "data");
    Tree tree(seed);
    if (tree.files()[0].rfind("train/", 0) != 0) continue;
    for (const std::string& file : tree.files()) write("data/" + file, file);
    std::set<std::string> names;
    for (const auto& [path, name] : tree.pictures()) names.insert(name);
    for (const std::string& name : names) write("data/train/" + name + "/more.jpg", "more");  // each can be learned
    archive("data.tar", "");
    archive("data.tar.gz", "-z");
    zip("data.zip", "data");
    const TrainingData folder = open_training_data(at("data"), "", 1);
    EXPECT_GT(folder.val.size(), 0U);
    for (const char* name : {"data.tar", "data.tar.gz", "data.zip"}) {
      const TrainingData data = open_training_data(at(name), "", 1);
      EXPECT_EQ(data.train.classes(), folder.train.classes());
      EXPECT_EQ(pictures_of(data.train), pictures_of(folder.train));
      EXPECT_EQ(pictures_of(data.val), pictures_of(folder.val));
    }
  }
}

}  // namespace
}  // namespace resnet
