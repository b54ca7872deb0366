#include "dataset/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "dataset/labels_file.h"
#include "dataset/test_directory.h"
#include "formats/test_archives.h"
#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class DatasetTest : public testing::DirectoryTest {
 protected:
  // "label path" of every item, paths from the directory.
  std::vector<std::string> items(const std::string& path, const DatasetOptions& options = {}) const {
    std::vector<std::string> result;
    const auto source = Dataset::open(at(path), options).items();
    while (const auto item = source->next()) {
      if (item->error) throw Error(*item->error);
      result.push_back(item->label + " " + item->path.substr(directory_.string().size() + 1));
    }
    return result;
  }

  std::string error_of(const std::string& path, const DatasetOptions& options = {}) const {
    try {
      items(path, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
};

TEST_F(DatasetTest, ReadsClassFolders) {
  write("data/dog/2.jpg");
  write("data/dog/1.PNG");
  write("data/cat/deep/down/3.webp");
  write("data/cat/notes.txt");
  write("data/cat/.hidden.jpg");
  write("data/README.md");
  EXPECT_THAT(items("data"), ElementsAre("cat data/cat/deep/down/3.webp", "dog data/dog/1.PNG", "dog data/dog/2.jpg"));
  EXPECT_THAT(Dataset::open(at("data/")).labels(), ElementsAre("cat", "dog"));
  EXPECT_EQ(Dataset::open(at("data")).count(), 3U);
}

TEST_F(DatasetTest, TakesOneFolderOnly) {
  write("data/train/dog/1.jpg");
  write("data/test/cat/2.jpg");
  write("data/testing/cow/3.jpg");
  EXPECT_THAT(items("data", {"test", ""}), ElementsAre("cat data/test/cat/2.jpg"));
  archive("data.tar", "");
  EXPECT_THAT(items("data.tar", {"data/test/", ""}), ElementsAre("cat data.tar:data/test/cat/2.jpg"));
  EXPECT_THAT(error_of("data", {"absent", ""}), HasSubstr("data/absent: there is no such directory"));
  EXPECT_THAT(error_of("data", {"../x", ""}), HasSubstr("no folder inside the data set"));
}

TEST_F(DatasetTest, ReadsArchives) {
  const std::string longest = std::string(80, 'm') + "/" + std::string(80, 'n');
  write("data/" + longest + ".jpg", "hello");
  write("data/cat/1.jpg", std::string(3000, 'x'));
  write("data/cat/notes.txt");
  for (const char* format : {"--format=ustar", "--format=gnu", "--format=pax", "-z"}) {
    archive("data.tar", std::string("--sort=name ") + format);
    EXPECT_THAT(items("data.tar"),
                ElementsAre("cat data.tar:data/cat/1.jpg", std::string(80, 'm') + " data.tar:data/" + longest + ".jpg"))
        << format;
    const Dataset dataset = Dataset::open(at("data.tar"));
    EXPECT_THAT(dataset.labels(), ElementsAre("cat", std::string(80, 'm')));
    EXPECT_EQ(dataset.count(), 2U);
    const auto source = dataset.items();
    EXPECT_EQ(source->next()->bytes->size(), 3000U);
    EXPECT_EQ(source->next()->bytes->size(), 5U);
  }
}

TEST_F(DatasetTest, ReadsLabelsFiles) {
  write("data/2.jpg", "two");
  write("data/1.jpg");
  write("labels.txt", "2.jpg great white shark\n1.jpg\tcat\n");
  const DatasetOptions options{"", at("labels.txt")};
  EXPECT_THAT(items("data", options), ElementsAre("great white shark data/2.jpg", "cat data/1.jpg"));
  EXPECT_THAT(Dataset::open(at("data"), options).labels(), ElementsAre("cat", "great white shark"));

  archive("data.tar", "--sort=name");
  EXPECT_THAT(items("data.tar", {"data", at("labels.txt")}),
              ElementsAre("cat data.tar:data/1.jpg", "great white shark data.tar:data/2.jpg"));
  write("labels.txt", "2.jpg cat\nabsent.jpg cat\n");
  const auto source = Dataset::open(at("data.tar"), {"data", at("labels.txt")}).items();
  EXPECT_TRUE(source->next()->bytes);
  EXPECT_FALSE(source->next()->bytes) << "so that reading it fails";
}

TEST_F(DatasetTest, RefusesWhatHasNoClasses) {
  EXPECT_THAT(error_of("absent"), HasSubstr("there is no such file or directory"));
  write("data/n01440764_tench.JPEG");
  EXPECT_THAT(error_of("data"), HasSubstr("data/n01440764_tench.JPEG: lies in no class folder"));
  archive("data.tar", "");
  EXPECT_THAT(error_of("data.tar", {"data", ""}), HasSubstr("lies in no class folder"));
  fs::remove(directory_ / "data/n01440764_tench.JPEG");
  EXPECT_THAT(error_of("data"), HasSubstr("there are no class folders"));
  fs::create_directory(directory_ / "data/cat");
  EXPECT_THAT(error_of("data"), HasSubstr("data/cat: this class folder holds no pictures"));
}

TEST_F(DatasetTest, RefusesLinksThatGoRound) {
  write("data/cat/1.jpg");
  write("data/dog/1.jpg");
  fs::create_directory_symlink("../cat", directory_ / "data/dog/cats");
  EXPECT_THAT(items("data"), ::testing::SizeIs(3)) << "a link to elsewhere is followed";
  fs::create_directory_symlink("..", directory_ / "data/dog/up");
  EXPECT_THAT(error_of("data"), HasSubstr("data/dog/up/dog: a link that leads back to a folder that it lies in"));
  fs::remove(directory_ / "data/dog/up");
  fs::create_symlink("itself.jpg", directory_ / "data/dog/itself.jpg");
  EXPECT_THAT(items("data"), ::testing::SizeIs(4)) << "whoever reads it will say that it leads nowhere";
}

TEST_F(DatasetTest, ReadsShards) {
  write("data/cat/1.jpg", "1");
  archive("d-08.tar", "");
  write("data/cat/1.jpg", "2");
  write("data/dog/2.jpg", "3");
  archive("d-09.tar", "--sort=name -z");
  archive("d-10.tar", "--sort=name");
  EXPECT_THAT(items("d-{08..10}.tar"),
              ElementsAre("cat d-08.tar:data/cat/1.jpg", "cat d-09.tar:data/cat/1.jpg", "dog d-09.tar:data/dog/2.jpg",
                          "cat d-10.tar:data/cat/1.jpg", "dog d-10.tar:data/dog/2.jpg"));
  const auto source = Dataset::open(at("d-{08..10}.tar")).items();
  for (const char* byte : {"1", "2", "3", "2", "3"}) {
    EXPECT_EQ(std::to_integer<char>(source->next()->bytes->at(0)), *byte) << "also where the archive is compressed";
  }
  EXPECT_THAT(error_of("d-{08..11}.tar"), HasSubstr("d-11.tar: there is no such file"));
  EXPECT_THAT(error_of("d-{10..08}.tar"), HasSubstr("its range runs backwards"));
  EXPECT_THAT(error_of("{0..999999999}{0..9}"), HasSubstr("more than 100000 archives"));
  EXPECT_THAT(error_of("d-{x..y}.tar"), HasSubstr("there is no such file"));
  const std::string text = read("d-09.tar") + "x";
  write("d-09.tar", text.substr(0, text.size() / 2));
  EXPECT_THAT(error_of("d-{08..10}.tar"), HasSubstr("d-09.tar: offset"));
}

TEST_F(DatasetTest, ReadsWebDatasets) {
  write("data/000.cls", "7");
  write("data/000.jpg");
  write("data/001.cls", "03\n");
  write("data/001.png");
  write("data/001.json", "{}");
  const std::vector<std::string> expected = {"7 data.tar:data/000.jpg", "3 data.tar:data/001.png"};
  archive("data.tar", "--sort=name");
  EXPECT_EQ(items("data.tar"), expected);
  archive_files("data.tar", "data/000.cls data/000.jpg data/001.png data/001.json data/001.cls");
  EXPECT_EQ(items("data.tar"), expected);
  EXPECT_TRUE(Dataset::open(at("data.tar")).items()->next()->label_is_index);

  archive_files("data.tar", "data/001.cls data/000.jpg data/000.cls data/001.png");
  EXPECT_EQ(items("data.tar"), expected) << "other files may stand between the two";
  EXPECT_THAT(items("data"), ElementsAre("7 data/000.jpg", "3 data/001.png")) << "as the archive";
  write("data/001.jpg");
  archive("data.tar", "--sort=name");
  EXPECT_THAT(error_of("data.tar"), HasSubstr("data/001.png: the second picture beside"));
  fs::remove(directory_ / "data/001.jpg");
  write("upper/0.JPG");
  write("upper/0.CLS", "3");
  EXPECT_THAT(items("upper"), ElementsAre("3 upper/0.JPG"));
  write("data/paper.cls", "a style of LaTeX's");
  archive("data.tar", "--sort=name");
  EXPECT_EQ(items("data.tar"), expected);
  fs::remove(directory_ / "data/paper.cls");

  archive_files("data.tar", "-C data 000.jpg 000.cls");
  EXPECT_THAT(items("data.tar"), ElementsAre("7 data.tar:000.jpg"));
  archive_files("data.tar", "-C data 000.jpg 001.png 001.cls");
  EXPECT_THAT(error_of("data.tar"), HasSubstr("data.tar:000.jpg: lies in no class folder and has no .cls file"));
  archive_files("data.tar", "-C data 000.cls 000.jpg 001.png");
  EXPECT_THAT(error_of("data.tar"), HasSubstr("001.png: has no .cls file beside it, as others have"));
  archive_files("data.tar", "data/000.jpg data/001.cls data/001.png");
  EXPECT_THAT(error_of("data.tar"), HasSubstr("001.cls: a .cls file, but the pictures before it have none"));
  for (const char* text : {"", "cat", "-1", "1234567", "1 2"}) {
    write("data/000.cls", text);
    archive("data.tar", "--sort=name");
    EXPECT_THAT(error_of("data.tar"), HasSubstr("000.cls: holds no class's index")) << text;
  }
}

TEST_F(DatasetTest, KeepsTheLastOfAFileThatIsThereTwice) {
  write("data/cat/1.jpg", "old");
  write("data/dog/2.jpg", "dog");
  archive("data.tar", "");
  const auto again = [&](const std::string& files) {
    const std::string command = "tar -C '" + directory_.string() + "' -rf '" + at("data.tar") + "' " + files;
    ASSERT_EQ(std::system(command.c_str()), 0);
  };
  const auto contents = [&](const std::string& path) {
    std::vector<std::string> result;
    const auto source = Dataset::open(at(path)).items();
    while (const auto item = source->next()) {
      result.emplace_back(reinterpret_cast<const char*>(item->bytes->data()), item->bytes->size());
    }
    return result;
  };
  write("data/cat/1.jpg", "newer");
  again("data/cat/1.jpg");
  EXPECT_THAT(contents("data.tar"), ElementsAre("dog", "newer"));
  EXPECT_EQ(Dataset::open(at("data.tar")).count(), 2U);
  write("data/cat/1.jpg", "newest");
  again("./data//cat/1.jpg");
  EXPECT_THAT(contents("data.tar"), ElementsAre("dog", "newest")) << "the same name, written otherwise";
  ASSERT_EQ(std::system(("gzip -k '" + at("data.tar") + "'").c_str()), 0);
  EXPECT_THAT(contents("data.tar.gz"), ElementsAre("dog", "newest"));

  fs::remove(directory_ / "data/cat/1.jpg");
  fs::create_symlink("../dog/2.jpg", directory_ / "data/cat/1.jpg");
  again("data/cat/1.jpg");
  EXPECT_THAT(error_of("data.tar"), HasSubstr("data/cat/1.jpg: is a link"));
  fs::remove(directory_ / "data/cat/1.jpg");
  write("data/cat/1.jpg", "file");
  again("data/cat/1.jpg");
  EXPECT_THAT(contents("data.tar"), ElementsAre("dog", "file")) << "no longer a link";

  write("data/0.cls", "1");
  write("data/0.jpg", "zero");
  archive_files("data.tar", "-C data 0.cls 0.jpg");
  write("data/0.cls", "2");
  again("-C data 0.cls");
  EXPECT_THAT(items("data.tar"), ElementsAre("2 data.tar:0.jpg"));
}

TEST_F(DatasetTest, TakesAnArchiveAsTheFolderItWasMadeOf) {
  write("data/cat/2019/1.jpg");
  write("data/dog/.cache/2.jpg");
  write("data/dog/3.jpg");
  write("data/__MACOSX/cat/._1.jpg");
  archive_files("data.tar", "-C data .");
  EXPECT_THAT(Dataset::open(at("data")).labels(), ElementsAre("cat", "dog"));
  EXPECT_THAT(Dataset::open(at("data.tar")).labels(), ElementsAre("cat", "dog"));
  EXPECT_EQ(Dataset::open(at("data.tar")).count(), 2U);
  write("data/cow/notes.txt");
  archive_files("data.tar", "-C data .");
  EXPECT_THAT(error_of("data"), HasSubstr("data/cow: this class folder holds no pictures"));
  EXPECT_THAT(error_of("data.tar"), HasSubstr("data.tar:cow: this class folder holds no pictures"));
}

TEST_F(DatasetTest, FindsAFolderBelowTheOneThatHoldsEverything) {
  write("data/train/cat/1.jpg");
  write("data/test/cat/2.jpg");
  archive("data.tar", "");
  EXPECT_THAT(items("data.tar", {"test", ""}), ElementsAre("cat data.tar:data/test/cat/2.jpg"));
  EXPECT_THAT(error_of("data.tar", {"absent", ""}), HasSubstr("data.tar:absent: there is no such folder in it"));
  EXPECT_THAT(Dataset::open(at("data.tar")).parts(), ElementsAre("test", "train"));
  EXPECT_THAT(Dataset::open(at("data.tar"), {"test", ""}).parts(), ::testing::IsEmpty());
}

TEST_F(DatasetTest, TakesPicturesWithoutAClassWhereNobodyAsks) {
  write("data/1.jpg");
  write("data/cat/2.jpg");
  write("data/empty/x.txt");
  const DatasetOptions any{"", "", /*classes=*/false};
  archive_files("data.tar", "-C data .", "--sort=name");
  EXPECT_THAT(items("data", any), ElementsAre(" data/1.jpg", "cat data/cat/2.jpg"));
  EXPECT_THAT(items("data.tar", any), ElementsAre(" data.tar:1.jpg", "cat data.tar:cat/2.jpg"));
}

TEST_F(DatasetTest, NoticesArchivesThatChange) {
  for (const char* options : {"", "-z"}) {
    write("data/cat/1.jpg", "one");
    archive("data.tar", options);
    const Dataset dataset = Dataset::open(at("data.tar"));
    const std::string bytes = read("data.tar");
    write("data.tar", std::string(bytes.size() + 512, '\0'));
    const auto read_one = [&] {
      const auto item = dataset.items()->next();
      if (item->error) throw Error(*item->error);
    };
    EXPECT_THAT(testing::error_of(read_one), HasSubstr("another program has written to it")) << options;
  }
}

TEST_F(DatasetTest, ReadsZipArchives) {
  write("data/cat/1.jpg", std::string(3000, 'x'));
  write("data/dog/2.png", "dog");
  write("data/README.txt");
  zip("data.zip", "data", "pets/");
  EXPECT_THAT(items("data.zip"), ElementsAre("cat data.zip:pets/cat/1.jpg", "dog data.zip:pets/dog/2.png"));
  const auto source = Dataset::open(at("data.zip")).items();
  EXPECT_EQ(source->next()->bytes->size(), 3000U);
  EXPECT_EQ(source->next()->bytes->size(), 3U);

  zip("stored.zip", "data", "", "compression=zipfile.ZIP_STORED");
  std::string whole = read("stored.zip");
  whole[whole.find("dog", whole.find("2.png") + 5)] ^= 1;
  write("stored.zip", whole);
  EXPECT_THAT(error_of("stored.zip"), HasSubstr("its bytes are damaged"));
  write("cut.zip", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(error_of("cut.zip"), HasSubstr("the zip directory is missing"));
  write("empty.zip", "PK\x05\x06" + std::string(18, '\0'));
  EXPECT_THAT(error_of("empty.zip"), HasSubstr("there are no pictures in it"));
  write("large.zip", "7z\xBC\xAF\x27\x1C");
  EXPECT_THAT(error_of("large.zip"), HasSubstr("is a 7z archive, which is not read"));
}

// As Windows's first zip programs pack folders, and as programs pack names that are no UTF-8.
TEST_F(DatasetTest, ReadsZipArchivesOfOldPrograms) {
  using test::Entry;
  write("old.zip", test::archive({Entry{.name = "dog\\", .data = ""}, Entry{.name = "dog\\2.png", .data = "dog"},
                                  Entry{.name = "cat\\1.jpg", .data = "cat"}}));
  EXPECT_THAT(items("old.zip"), ElementsAre("dog old.zip:dog/2.png", "cat old.zip:cat/1.jpg"));
  write("cp437.zip", test::archive({Entry{.name = "cat/k\x84tzchen.png", .data = "cat"}}));
  EXPECT_THAT(items("cp437.zip"), ElementsAre("cat cp437.zip:cat/k\x84tzchen.png"));
}

TEST_F(DatasetTest, LabelsFilesFitArchivesOfTheWholeFolder) {
  for (const char* file : {"a/1.jpg", "a/2.jpg", "b/1.jpg"}) write(std::string("data/") + file);
  write("labels.csv", "b/1.jpg,cat\n./a/1.jpg,dog\n");
  write("absent.csv", "b/1.jpg,cat\nb/2.jpg,cat\n");
  write("data/.hidden/x.jpg");
  archive_files("inside.tar", "-C data .");
  archive_files("whole.tar", "data");
  ASSERT_EQ(std::system(("mkdir -p '" + at("far/off") + "'; mv '" + at("data") + "' '" + at("far/off") + "'").c_str()),
            0);
  archive_files("far.tar.gz", "far", "-z");
  write("far/.DS_Store");
  zip("far.zip", "far", "far/");
  const auto classes = [&](const std::string& name, const std::string& labels) {
    std::vector<std::string> result;
    const auto source = Dataset::open(at(name), {"", at(labels), true}).items();
    while (const auto item = source->next()) {
      result.push_back(item->label + " " + item->path.substr(item->path.size() - 7));
    }
    std::sort(result.begin(), result.end());
    return result;
  };
  for (const char* name : {"far/off/data", "inside.tar", "whole.tar", "far.tar.gz", "far.zip"}) {
    EXPECT_THAT(classes(name, "labels.csv"), ElementsAre("cat b/1.jpg", "dog a/1.jpg")) << name;
  }
  EXPECT_THAT(classes("far.zip", "absent.csv"), ElementsAre("cat b/1.jpg", "cat b/2.jpg"));  // its reader says so
}

TEST_F(DatasetTest, RefusesLinksInArchives) {
  write("data/cat/1.jpg");
  fs::create_symlink("1.jpg", directory_ / "data/cat/2.jpg");
  EXPECT_THAT(items("data"), ::testing::SizeIs(2)) << "a directory may hold them";
  archive("data.tar", "");
  EXPECT_THAT(error_of("data.tar"), HasSubstr("cat/2.jpg: is a link"));
  fs::remove(directory_ / "data/cat/2.jpg");
  fs::create_symlink("cat", directory_ / "data/kitten");
  fs::create_symlink("../nowhere", directory_ / "data/README");
  EXPECT_THAT(Dataset::open(at("data")).labels(), ElementsAre("cat", "kitten"));
  archive("data.tar", "");
  EXPECT_THAT(error_of("data.tar"), HasSubstr("data/kitten: is a link"));
  fs::remove(directory_ / "data/kitten");
  archive("data.tar", "");
  EXPECT_THAT(items("data.tar"), ElementsAre("cat data.tar:data/cat/1.jpg")) << "README is no picture";
}

TEST_F(DatasetTest, KnowsFormsOfLabels) {
  const auto read = [&](const std::string& text) {
    write("labels", text);
    std::vector<std::string> result;
    for (const LabelledFile& file : read_labels_file(at("labels"))) result.push_back(file.path + "=" + file.label);
    return result;
  };
  EXPECT_THAT(read("a.jpg 3\r\n\nd/b.jpg \t tabby cat "), ElementsAre("a.jpg=3", "d/b.jpg=tabby cat"));
  EXPECT_THAT(read("file,label\na b.jpg,tabby cat\n\"c,\"\"d.jpg\",\"5\"\n"),
              ElementsAre("a b.jpg=tabby cat", "c,\"d.jpg=5"));
  EXPECT_THAT(read("\xEF\xBB\xBF {\"a.jpg\": 3, \"b.jpg\": \"cat\"}"), ElementsAre("a.jpg=3", "b.jpg=cat"));
  EXPECT_THAT(read("\xEF\xBB\xBF"
                   "a.jpg cat\r\nb.jpg dog\r\n"),
              ElementsAre("a.jpg=cat", "b.jpg=dog"));
  EXPECT_THAT(read("[[\"a.jpg\", 3], [\"b.jpg\", \"cat\"]]"), ElementsAre("a.jpg=3", "b.jpg=cat"));
  EXPECT_THAT(read("{\"caf\\udce9.jpg\": 3}"), ElementsAre("caf\xE9.jpg=3")) << "as Python writes names";
}

TEST_F(DatasetTest, RefusesBadLabels) {
  const auto error = [&](const std::string& text) -> std::string {
    write("labels", text);
    try {
      read_labels_file(at("labels"));
    } catch (const Error& failure) {
      return failure.what();
    }
    return "no error";
  };
  EXPECT_THAT(error(""), HasSubstr("holds no labels"));
  EXPECT_THAT(error("a.jpg"), HasSubstr("line 1: needs a file and a label"));
  EXPECT_THAT(error("a.jpg 1\na.jpg 2\n"), HasSubstr("'a.jpg' is there twice"));
  EXPECT_THAT(error("a.jpg,1\nb.jpg\n"), HasSubstr("line 2: needs a file and a label"));
  EXPECT_THAT(error("a.jpg,1,2\n"), HasSubstr("line 1: more than a file and a label"));
  EXPECT_THAT(error("\"a.jpg,1\n"), HasSubstr("line 1: a quote is not closed"));
  EXPECT_THAT(error("{\"a.jpg\": -1}"), HasSubstr("one object of strings and indices"));
  EXPECT_THAT(error("{\"a.jpg\": [1]}"), HasSubstr("one object of strings and indices"));
  EXPECT_THAT(error("{\"a.jpg\": {\"b\": 1}}"), HasSubstr("one object of strings and indices"));
  EXPECT_THAT(error("[[\"a.jpg\"]]"), HasSubstr("array of pairs of a file and its label"));
  EXPECT_THAT(error("[\"a.jpg\", 3]"), HasSubstr("array of pairs of a file and its label"));
  EXPECT_THAT(error("{\"a.jpg\": 1"), HasSubstr("not JSON"));
  EXPECT_THAT(error("\xFF\xFE"
                    "a"),
              HasSubstr("save it as UTF-8"));
  EXPECT_THAT(error(std::string(100'000, '{')), HasSubstr("not JSON"));
}

}  // namespace
}  // namespace resnet
