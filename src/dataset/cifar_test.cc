// CIFAR as it is handed out: its version for Python as old and new pickles write it, and both versions in archives.
#include "dataset/cifar.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataset/image_set.h"
#include "dataset/test_directory.h"
#include "resnet/preprocessing.h"

namespace resnet {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

constexpr std::size_t kPixels = 3072;

std::string number32(std::size_t value) {
  std::string text;
  for (int i = 0; i < 4; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string short_text(const std::string& text) { return "U" + std::string(1, static_cast<char>(text.size())) + text; }

// The planes of picture i are full of i, i + 100 and i + 200.
std::string pixels_of(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    for (int c = 0; c < 3; ++c) text += std::string(1024, static_cast<char>(i + 100 * c));
  }
  return text;
}

std::string list_of(const std::vector<int>& values) {
  std::string text = "](";
  for (const int value : values) text += "K" + std::string(1, static_cast<char>(value));
  return text + "e";
}

std::string texts_of(const std::vector<std::string>& values) {
  std::string text = "](";
  for (const std::string& value : values) text += short_text(value);
  return text + "e";
}

// What makes an array of uint8, but for the bytes' own opcode.
struct ArrayStyle {
  std::string module = "numpy.core.multiarray";
  std::string type = "u1";
  std::size_t width = kPixels;
  std::string fortran = "\x89";
};

std::string dtype(const ArrayStyle& style) {
  return "cnumpy\ndtype\n" + short_text(style.type) + "K\0K\1\x87R"s +
         "(K\3U\1|NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFFK\0tb"s;
}

std::string shape(std::size_t rows, std::size_t width) {
  return "K" + std::string(1, static_cast<char>(rows)) + "M" + number32(width).substr(0, 2) + "\x86";
}

std::string array_of(std::size_t rows, const std::string& bytes, const ArrayStyle& style = {}) {
  return "c" + style.module + "\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R"s + "(K\1" + shape(rows, style.width) +
         dtype(style) + style.fortran + bytes + "tb";
}

// As numpy writes it since protocol 5.
std::string buffer_of(std::size_t rows, const std::string& bytes) {
  const std::string buffer = "\x96" + number32(bytes.size()) + "\0\0\0\0"s + bytes;
  return "cnumpy._core.numeric\n_frombuffer\n(" + buffer + dtype({}) + shape(rows, kPixels) + "U\1CtR";
}

std::string python2_string(const std::string& bytes) { return "T" + number32(bytes.size()) + bytes; }
std::string python3_bytes(const std::string& bytes) { return "B" + number32(bytes.size()) + bytes; }

// As Python 3 writes bytes for Python 2.
std::string encoded(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    if (value < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xC0 | value >> 6);
      text += static_cast<char>(0x80 | (value & 0x3F));
    }
  }
  return "c_codecs\nencode\nX" + number32(text.size()) + text + "U\6latin1\x86R";
}

std::string dictionary(const std::string& items) { return "\x80\2}(" + items + "u."; }

std::string batch(const std::vector<int>& labels, const char* key = "labels") {
  return dictionary(short_text("batch_label") + short_text("training batch 1 of 5") + short_text(key) +
                    list_of(labels) + short_text("data") +
                    array_of(labels.size(), python2_string(pixels_of(static_cast<int>(labels.size())))) +
                    short_text("filenames") + texts_of(std::vector<std::string>(labels.size(), "a.png")));
}

std::vector<std::string> ten_names() {
  return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
}

class CifarTest : public testing::DirectoryTest {
 protected:
  // "class path first-red first-green first-blue" of every picture.
  static std::vector<std::string> pictures_of(const std::string& path, const std::string& only = "") {
    const ImageSet images = ImageSet::open(path, {.dataset = {only, ""}});
    std::vector<std::string> result;
    for (std::size_t i = 0; i < images.size(); ++i) {
      Preprocessing how;
      how.width = how.height = 32;
      how.resize = 0;
      how.mean = {0, 0, 0};
      how.std = {1, 1, 1};
      std::vector<float> out(kPixels);
      load_input(images.read(i).bytes, "x", how, out);
      result.push_back(fmt::format("{} {} {:.0f} {:.0f} {:.0f}",
                                   images.classes()[static_cast<std::size_t>(images.label(i))], images.inner_path(i),
                                   255 * out[0], 255 * out[1024], 255 * out[2048]));
    }
    return result;
  }

  std::string refusal(const std::string& pickle) const {
    write("c/data_batch_1", pickle);
    return error_of([&] { ImageSet::open(at("c/data_batch_1")); });
  }

  void write_python() const {
    write("cifar-10-batches-py/data_batch_1", batch({6, 9}));
    write("cifar-10-batches-py/test_batch", batch({0}));
    write("cifar-10-batches-py/batches.meta", dictionary(short_text("num_cases_per_batch") + "M\x10\x27" +
                                                         short_text("label_names") + texts_of(ten_names())));
    write("cifar-10-batches-py/readme.html");
  }
};

TEST_F(CifarTest, ReadsTheVersionForPython) {
  write_python();
  const std::vector<std::string> expected = {"frog data_batch_1[0] 0 100 200", "truck data_batch_1[1] 1 101 201",
                                             "airplane test_batch[0] 0 100 200"};
  EXPECT_EQ(pictures_of(at("cifar-10-batches-py")), expected);
  EXPECT_THAT(pictures_of(at("cifar-10-batches-py/test_batch")), ElementsAre(expected[2]));
  archive_files("cifar-10-python.tar.gz", "cifar-10-batches-py", "--sort=name -z");
  EXPECT_EQ(pictures_of(at("cifar-10-python.tar.gz")), expected);
  EXPECT_THAT(pictures_of(at("cifar-10-python.tar.gz"), "test"), ElementsAre(expected[2]));
  EXPECT_THAT(pictures_of(at("cifar-10-python.tar.gz"), "cifar-10-batches-py/test"), ElementsAre(expected[2]));
  archive_files("cifar.tar", "-C cifar-10-batches-py .", "--sort=name");
  EXPECT_EQ(pictures_of(at("cifar.tar")), expected);
  const auto source = Dataset::open(at("cifar-10-python.tar.gz")).items();
  EXPECT_EQ(source->next()->path, at("cifar-10-python.tar.gz:cifar-10-batches-py/data_batch_1[0]"));
  EXPECT_EQ(source->next()->label, "truck");
}

TEST_F(CifarTest, ReadsTheFineClassesOfCifar100) {
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back(fmt::format("class {:02}", i));
  write("cifar-100-python/train", batch({99, 3}, "fine_labels"));
  write("cifar-100-python/test", batch({7}, "fine_labels"));
  EXPECT_THAT(error_of([&] { ImageSet::open(at("cifar-100-python")); }), HasSubstr("there are no class folders"))
      << "other files may be called so";
  write("cifar-100-python/meta", dictionary(short_text("coarse_label_names") + texts_of(ten_names()) +
                                            short_text("fine_label_names") + texts_of(names)));
  archive_files("cifar-100-python.tar.gz", "cifar-100-python", "-z --sort=name");
  for (const char* name : {"cifar-100-python", "cifar-100-python.tar.gz"}) {
    EXPECT_THAT(pictures_of(at(name), "train"),
                ElementsAre("class 99 train[0] 0 100 200", "class 03 train[1] 1 101 201"));
    EXPECT_THAT(pictures_of(at(name), "test"), ElementsAre("class 07 test[0] 0 100 200"));
  }
}

TEST_F(CifarTest, ReadsTheBinaryVersionInArchives) {
  std::string records;
  for (int i = 0; i < 10; ++i) records += static_cast<char>(i) + pixels_of(1);
  write("cifar-10-batches-bin/data_batch_1.bin", records);
  write("cifar-10-batches-bin/test_batch.bin", "\3" + pixels_of(1));
  std::string names;
  for (const std::string& name : ten_names()) names += name + "\n";
  write("cifar-10-batches-bin/batches.meta.txt", names);
  archive_files("cifar-10-binary.tar.gz", "cifar-10-batches-bin", "-z --sort=name");
  const auto expected = pictures_of(at("cifar-10-batches-bin"));
  EXPECT_EQ(expected.size(), 11U);
  EXPECT_EQ(pictures_of(at("cifar-10-binary.tar.gz")), expected);
  for (const char* name : {"cifar-10-batches-bin", "cifar-10-binary.tar.gz"}) {
    const TrainingData data = open_training_data(at(name), "", 1);
    EXPECT_EQ(data.train.size(), 10U);
    EXPECT_EQ(data.val.size(), 1U);
    EXPECT_EQ(data.train.classes(), ten_names());
  }
  write_python();
  archive_files("both.tar", "cifar-10-batches-bin cifar-10-batches-py");
  EXPECT_THAT(error_of([&] { ImageSet::open(at("both.tar")); }),
              HasSubstr("CIFAR's files in several folders; name one of cifar-10-batches-bin/, cifar-10-batches-py/"));
  EXPECT_THAT(pictures_of(at("both.tar"), "cifar-10-batches-py"), ::testing::SizeIs(3));
}

TEST_F(CifarTest, ReadsPicklesOfAnyVersion) {
  const std::string labels = short_text("labels") + list_of({6, 9});
  const std::string pixels = pixels_of(2);
  const std::vector<std::string> arrays = {
      array_of(2, python2_string(pixels)), array_of(2, python3_bytes(pixels)), array_of(2, encoded(pixels)),
      array_of(2, python3_bytes(pixels), {.module = "numpy._core.multiarray"}), buffer_of(2, pixels)};
  write("c/batches.meta", dictionary(short_text("label_names") + texts_of(ten_names())));
  for (const std::string& array : arrays) {
    write("c/data_batch_1", dictionary(labels + short_text("data") + array));
    EXPECT_THAT(pictures_of(at("c")), ElementsAre("frog data_batch_1[0] 0 100 200", "truck data_batch_1[1] 1 101 201"));
  }
  write("c/data_batch_1", dictionary(encoded("labels") + list_of({6, 9}) + encoded("data") + arrays[2]));
  EXPECT_THAT(pictures_of(at("c")), ::testing::SizeIs(2)) << "keys as Python 3 writes bytes for Python 2";
}

TEST_F(CifarTest, RefusesPicklesOfAnythingElse) {
  const std::string pixels = python2_string(pixels_of(2));
  const std::string labels = short_text("labels") + list_of({1, 2});
  const auto of_data = [&](const std::string& data) { return refusal(dictionary(labels + short_text("data") + data)); };
  EXPECT_EQ(of_data(array_of(2, pixels)), "no error");
  EXPECT_THAT(refusal("\x80\2cos\nsystem\nU\2ls\x85R."), HasSubstr("'os.system'")) << "nothing is executed";
  EXPECT_THAT(refusal("no pickle"), HasSubstr("not a pickle"));
  EXPECT_THAT(refusal("\x80\2]."), HasSubstr("is no pickled dictionary"));
  EXPECT_THAT(refusal(dictionary(labels)), HasSubstr("has no 'data'"));
  EXPECT_THAT(refusal(dictionary(short_text("data") + array_of(2, pixels))), HasSubstr("has no 'labels'"));
  EXPECT_THAT(refusal(dictionary(short_text("labels") + "K\1" + short_text("data") + array_of(2, pixels))),
              HasSubstr("its 'labels' is no list"));
  EXPECT_THAT(refusal(dictionary(short_text("labels") + texts_of(std::vector<std::string>{"a", "b"}) +
                                 short_text("data") + array_of(2, pixels))),
              HasSubstr("its 'labels' are no numbers"));
  EXPECT_THAT(refusal(dictionary(short_text("labels") + list_of({1}) + short_text("data") + array_of(2, pixels))),
              HasSubstr("2 pictures, but 1 'labels'"));
  EXPECT_THAT(refusal(dictionary(short_text("labels") + list_of({1, 10}) + short_text("data") + array_of(2, pixels))),
              HasSubstr("data_batch_1[1]: the label 10 is out of range, there are 10 classes"));
  EXPECT_THAT(refusal(dictionary(short_text("labels") + "](K\1J\xFF\xFF\xFF\xFF" + "e" + short_text("data") +
                                 array_of(2, pixels))),
              HasSubstr("the label -1 is out of range"));
  const std::string wrong = "its 'data' is no array of uint8 with a row for each picture";
  EXPECT_THAT(of_data(array_of(3, pixels)), HasSubstr(wrong));
  EXPECT_THAT(of_data(array_of(2, pixels, {.width = 3071})), HasSubstr(wrong));
  EXPECT_THAT(of_data(array_of(2, pixels, {.type = "f4"})), HasSubstr(wrong));
  EXPECT_THAT(of_data(array_of(2, pixels, {.fortran = "\x88"})), HasSubstr(wrong));
  EXPECT_THAT(of_data(array_of(2, "c_codecs\nencode\nX\4\0\0\0\xC4\x80\xC4\x80U\6latin1\x86R"s)), HasSubstr(wrong));
  EXPECT_THAT(of_data(short_text("text")), HasSubstr(wrong));
  EXPECT_THAT(refusal(dictionary(short_text("labels") + "]" + short_text("data") + array_of(0, python2_string("")))),
              HasSubstr("holds no pictures"));
  write("c/batches.meta", dictionary(short_text("label_names") + texts_of(std::vector<std::string>(10, "cat"))));
  EXPECT_THAT(error_of([&] { ImageSet::open(at("c")); }), HasSubstr("the name 'cat' is there twice"));
}

}  // namespace
}  // namespace resnet
