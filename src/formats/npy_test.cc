#include "formats/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;

class NpyTest : public ::testing::Test {
 protected:
  ~NpyTest() override { std::filesystem::remove(path_); }
  std::string path_ = std::filesystem::temp_directory_path() / ("resnet-npy-" + std::to_string(::getpid()) + ".npy");
};

// A file with this header, padded as NumPy does, and `data` bytes.
std::string file_with(const std::string& header, std::size_t data, char version = 1) {
  std::string file = std::string("\x93NUMPY") + version + '\0';
  file += static_cast<char>(header.size());
  file += '\0';
  if (version > 1) file += std::string(2, '\0');
  return file + header + std::string(data, 'x');
}

NpyArray parsed(const std::string& text) { return parse_npy(std::as_bytes(std::span(text)), "x.npy"); }

ErrorCode error_of(const std::string& text) {
  try {
    parsed(text);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("x.npy"));
    return error.code();
  }
  return ErrorCode::kNotFound;
}

TEST_F(NpyTest, RoundTrips) {
  const std::vector<float> values = {1, 2.5F, -3, 4, 5, 6};
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{6}, {2, 3}, {1, 3, 1, 2}}) {
    write_npy(path_, shape, std::span(values));
    const std::vector<std::byte> file = read_file(path_);
    const NpyArray array = parse_npy(file, path_);
    EXPECT_EQ(array.type, NpyType::kF32);
    EXPECT_EQ(array.shape, shape);
    EXPECT_EQ(std::memcmp(array.bytes.data(), values.data(), array.bytes.size()), 0);
    EXPECT_EQ((file.size() - array.bytes.size()) % 64, 0);
  }
}

TEST_F(NpyTest, WritesScalarsAndEmptyArrays) {
  const std::vector<std::uint8_t> one = {7};
  write_npy(path_, {}, std::span(one));
  EXPECT_THAT(parse_npy(read_file(path_), path_).shape, ElementsAre());
  const std::int64_t empty[] = {0, 5};
  write_npy(path_, empty, std::span<const float>());
  EXPECT_THAT(parse_npy(read_file(path_), path_).shape, ElementsAre(0, 5));
}

TEST_F(NpyTest, RefusesToWriteAnotherCount) {
  const std::vector<float> values(5);
  const std::int64_t shape[] = {2, 3};
  EXPECT_THROW(write_npy(path_, shape, std::span(values)), Error);
}

TEST_F(NpyTest, WritesRowsAsTheyCome) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<std::uint8_t> note = {'h', 'i'};
  {
    NpyRowWriter writer(path_, 2);
    writer.add(std::span(values).first(2));
    writer.add(std::span(values).subspan(2));
    EXPECT_FALSE(std::filesystem::exists(path_)) << "before it is whole";
    writer.commit(note);
  }
  const std::vector<std::byte> file = read_file(path_);
  std::span<const std::byte> rest = file;
  const NpyArray rows = take_npy(rest, path_);
  EXPECT_THAT(rows.shape, ElementsAre(4, 2));
  EXPECT_EQ(std::memcmp(rows.bytes.data(), values.data(), rows.bytes.size()), 0);
  const NpyArray second = parse_npy(rest, path_);
  EXPECT_THAT(second.shape, ElementsAre(2));
  EXPECT_EQ(std::memcmp(second.bytes.data(), note.data(), 2), 0);
  EXPECT_THROW(parse_npy(file, path_), Error) << "two arrays where one is expected";
  EXPECT_THROW(NpyRowWriter("/dev/null", 3), Error);
}

TEST(NpyFormatTest, ReadsWhatNumPyWrites) {
  const NpyArray array = parsed(file_with("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }    \n", 6));
  EXPECT_EQ(array.type, NpyType::kU8);
  EXPECT_THAT(array.shape, ElementsAre(2, 3));
  EXPECT_THAT(parsed(file_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", 12, 2)).shape,
              ElementsAre(3));
}

TEST(NpyFormatTest, NamesWhatItDoesNotRead) {
  EXPECT_EQ(error_of(file_with("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", 16)),
            ErrorCode::kUnsupported);
  EXPECT_EQ(error_of(file_with("{'descr': '|u1', 'fortran_order': True, 'shape': (2,), }\n", 2)),
            ErrorCode::kUnsupported);
  EXPECT_EQ(error_of(file_with("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }\n", 2)),
            ErrorCode::kUnsupported);
  EXPECT_EQ(error_of(file_with("{}\n", 0, 9)), ErrorCode::kUnsupported);
}

TEST(NpyFormatTest, RefusesBrokenHeaders) {
  for (const char* header :
       {"", "{", "{}", "{'descr': '|u1'}", "{'descr': '|u1', 'fortran_order': False, 'shape': (2,}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-2,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), } x",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': '|u1', 'descr': '|u1', 'descr': '|u1'}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"}) {
    EXPECT_EQ(error_of(file_with(header, 2)), ErrorCode::kFormat) << header;
  }
}

TEST(NpyFormatTest, EveryPrefixIsAnError) {
  const std::string file = file_with("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", 6);
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(error_of(file.substr(0, size)), ErrorCode::kFormat) << size;
  }
}

}  // namespace
}  // namespace resnet
