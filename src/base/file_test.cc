#include "base/file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "resnet/error.h"

namespace resnet {
namespace {

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "resnet-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = pattern;
  }
  ~FileTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

std::string text_of(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(FileTest, WritesWholeFileOnCommit) {
  const std::string path = directory_ / "out";
  {
    AtomicFile file(path);
    file.write("hello");
    EXPECT_FALSE(std::filesystem::exists(path));
    file.commit();
  }
  EXPECT_EQ(text_of(path), "hello");
}

TEST_F(FileTest, LeavesOldFileWithoutCommit) {
  const std::string path = directory_ / "out";
  std::ofstream(path) << "old";
  {
    AtomicFile file(path);
    file.write("new");
  }
  EXPECT_EQ(text_of(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(FileTest, PassesOverWhatKilledProcessesLeft) {
  const std::string path = directory_ / "out";
  for (int i = 0; i < 100; ++i) std::ofstream(fmt::format("{}.tmp.{}.{}", path, ::getpid(), i)) << "left";
  AtomicFile file(path);
  file.write("new");
  file.commit();
  EXPECT_EQ(text_of(path), "new");
}

TEST_F(FileTest, WritesToDevicesWithoutReplacingThem) {
  std::filesystem::create_symlink("/dev/null", directory_ / "null");
  AtomicFile file(directory_ / "null");
  file.write("lost");
  file.commit();
  EXPECT_TRUE(std::filesystem::is_symlink(directory_ / "null"));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(FileTest, ReadsNoDevice) {
  try {
    read_file("/dev/zero");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "/dev/zero: is a device, not a file");
  }
}

TEST_F(FileTest, ReplacesTheFileBehindASymbolicLink) {
  const std::string path = directory_ / "out";
  std::ofstream(path) << "old";
  std::filesystem::create_symlink(path, directory_ / "link");
  AtomicFile file(directory_ / "link");
  file.write("new");
  file.commit();
  EXPECT_TRUE(std::filesystem::is_symlink(directory_ / "link"));
  EXPECT_EQ(text_of(path), "new");
}

TEST_F(FileTest, KeepsALinkThatLeadsNowhere) {
  std::filesystem::create_symlink(directory_ / "absent", directory_ / "link");
  EXPECT_THROW(AtomicFile(directory_ / "link"), Error);
  EXPECT_TRUE(std::filesystem::is_symlink(directory_ / "link"));
}

TEST_F(FileTest, NamesWhatIsWrong) {
  const auto code_of = [](const std::string& path) {
    try {
      read_file(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.where(), path);
      return error.code();
    }
    ADD_FAILURE() << "no error";
    return ErrorCode::kIo;
  };
  EXPECT_EQ(code_of(directory_ / "absent"), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(directory_), ErrorCode::kInvalidArgument);
  EXPECT_THROW(AtomicFile(directory_ / "absent" / "file"), Error);
}

TEST_F(FileTest, ReadsEmptyFiles) {
  std::ofstream(directory_ / "empty").flush();
  EXPECT_TRUE(read_file(directory_ / "empty").empty());
}

}  // namespace
}  // namespace resnet
