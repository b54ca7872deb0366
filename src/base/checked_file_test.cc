#include "base/checked_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "base/file.h"
#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::StartsWith;

constexpr std::size_t kSize = (std::size_t{5} << 20) + 777;  // more than is read at once, no whole number of pages

class CheckedFileTest : public ::testing::Test {
 protected:
  CheckedFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "resnet-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = pattern;
    path_ = folder_ + "/m";
    write(bytes_);
  }
  ~CheckedFileTest() override { std::filesystem::remove_all(folder_); }

  static std::vector<std::byte> random_bytes(unsigned seed, std::size_t size = kSize) {
    std::mt19937 random(seed);
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    return bytes;
  }

  // In place, as cp does.
  void write(const std::vector<std::byte>& bytes) const {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  // The same with the time of writing that the file had.
  void write_keeping_time(const std::vector<std::byte>& bytes) const {
    struct stat old {};
    stat(path_.c_str(), &old);
    write(bytes);
    const struct timespec times[] = {old.st_atim, old.st_mtim};
    utimensat(AT_FDCWD, path_.c_str(), times, 0);
  }

  bool holds(const CheckedFile& file, std::size_t begin, std::size_t count) const {
    return std::memcmp(file.load(file.range().subspan(begin, count)).data(), bytes_.data() + begin, count) == 0;
  }

  std::vector<std::byte> copied(const CheckedFile& file, std::size_t begin, std::size_t count) const {
    std::vector<std::byte> out(count);
    file.copy(file.range().subspan(begin, count), out);
    return out;
  }

  std::vector<std::byte> expected(std::size_t begin, std::size_t count) const {
    return {bytes_.begin() + static_cast<std::ptrdiff_t>(begin),
            bytes_.begin() + static_cast<std::ptrdiff_t>(begin + count)};
  }

  void expect_refused(const CheckedFile& file, std::size_t begin, std::size_t count) const {
    try {
      copied(file, begin, count);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kIo);
      EXPECT_THAT(error.what(), StartsWith(path_ + ": another program has written to it"));
    }
  }

  std::string folder_;
  std::string path_;
  std::vector<std::byte> bytes_ = random_bytes(1);
};

TEST_F(CheckedFileTest, ReadsAnyPart) {
  const auto file = CheckedFile::open(path_);
  ASSERT_EQ(file->size(), kSize);
  std::mt19937 random(2);
  for (int i = 0; i < 200; ++i) {
    const std::size_t begin = random() % kSize;
    const std::size_t count = random() % std::min<std::size_t>(kSize - begin + 1, i % 2 == 0 ? 10'000 : 1'000'000);
    EXPECT_EQ(copied(*file, begin, count), expected(begin, count)) << begin << ' ' << count;
    if (i % 10 == 0) {
      EXPECT_TRUE(holds(*file, begin, count)) << begin << ' ' << count;
    }
  }
  file->release(file->range());
  EXPECT_TRUE(holds(*file, 0, kSize));
  EXPECT_EQ(copied(*file, kSize - 1, 1), expected(kSize - 1, 1));
}

TEST_F(CheckedFileTest, WhatIsLoadedStays) {
  const auto file = CheckedFile::open(path_);
  EXPECT_TRUE(holds(*file, 5000, 100'000));
  write(random_bytes(9));
  EXPECT_TRUE(holds(*file, 5000, 100'000));
  EXPECT_EQ(copied(*file, 6000, 90'000), expected(6000, 90'000));
  std::filesystem::resize_file(path_, 10);
  EXPECT_TRUE(holds(*file, 5000, 100'000));
}

TEST_F(CheckedFileTest, RefusesWhatWasWrittenOver) {
  for (const bool known : {false, true}) {
    write(bytes_);
    const auto file = CheckedFile::open(path_);
    if (known) copied(*file, 0, kSize);
    write(random_bytes(9));
    expect_refused(*file, 0, 10);
    expect_refused(*file, 3'000'000, 1'000'000);
    EXPECT_THROW(file->load(file->range()), Error);
  }
}

TEST_F(CheckedFileTest, RefusesWhatWasShortened) {
  const auto file = CheckedFile::open(path_);
  copied(*file, 0, 100);
  std::filesystem::resize_file(path_, 200);
  expect_refused(*file, 4096, 100);
  expect_refused(*file, 0, 100);
}

TEST_F(CheckedFileTest, KnowsItsBytesAgainWhateverTheTimesSay) {
  const auto file = CheckedFile::open(path_);
  copied(*file, 0, kSize);
  write(random_bytes(9));
  write(bytes_);
  EXPECT_EQ(copied(*file, 0, kSize), bytes_) << "they are the same";
  std::vector<std::byte> changed = bytes_;
  changed[4'000'000] ^= std::byte{1};
  write_keeping_time(changed);
  expect_refused(*file, 3'999'000, 2'000);
  EXPECT_EQ(copied(*file, 0, 3'000'000), expected(0, 3'000'000));
}

TEST_F(CheckedFileTest, RefusesACopyThatKeptTheTime) {
  const auto file = CheckedFile::open(path_);
  copied(*file, 2'000'000, 10);
  write_keeping_time(random_bytes(9));
  expect_refused(*file, 0, 10);
}

TEST_F(CheckedFileTest, OtherNamesAndRightsDoNoHarm) {
  const auto file = CheckedFile::open(path_);
  EXPECT_TRUE(holds(*file, 0, 10));
  std::filesystem::create_hard_link(path_, folder_ + "/second");
  EXPECT_TRUE(holds(*file, 100'000, 10));
  std::filesystem::permissions(path_, std::filesystem::perms::owner_read);
  EXPECT_TRUE(holds(*file, 200'000, 10));
  std::filesystem::rename(path_, folder_ + "/third");
  EXPECT_TRUE(holds(*file, 300'000, 10));
  std::ofstream(path_) << "a new file under the old name";
  EXPECT_TRUE(holds(*file, 400'000, 10));
  std::filesystem::remove(folder_ + "/second");
  std::filesystem::remove(folder_ + "/third");
  EXPECT_TRUE(holds(*file, 0, kSize));
}

TEST_F(CheckedFileTest, SmallFilesAreReadAtOnce) {
  const std::vector<std::byte> small = random_bytes(3, 100'000);
  write(small);
  const auto file = CheckedFile::open(path_);
  std::filesystem::resize_file(path_, 0);
  EXPECT_EQ(copied(*file, 0, small.size()), small);
  write({});
  EXPECT_EQ(CheckedFile::open(path_)->load(CheckedFile::open(path_)->range()).size(), 0U);
}

TEST_F(CheckedFileTest, ReadsPipesAndBytes) {
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << std::string(300'000, 'x'); });
  const auto file = CheckedFile::open(pipe);
  writer.join();
  EXPECT_EQ(copied(*file, 299'999, 1)[0], std::byte{'x'});
  EXPECT_EQ(copied(*CheckedFile::from_bytes(bytes_), 7, kSize - 7), expected(7, kSize - 7));
  EXPECT_EQ(ByteSource::of(file), file.get());
  EXPECT_EQ(ByteSource::of(std::make_shared<int>(1)), nullptr);
}

class ConcurrencyCheckedFileTest : public CheckedFileTest {};

TEST_F(ConcurrencyCheckedFileTest, ReadersSeeTheSame) {
  const auto file = CheckedFile::open(path_);
  std::vector<std::thread> team;
  std::atomic<int> right = 0;
  for (unsigned worker = 0; worker < 4; ++worker) {
    team.emplace_back([&, worker] {
      std::mt19937 random(worker);
      for (int i = 0; i < 50; ++i) {
        const std::size_t begin = random() % (kSize - 70'000);
        right +=
            (worker % 2 == 0 ? holds(*file, begin, 70'000) : copied(*file, begin, 70'000) == expected(begin, 70'000))
                ? 1
                : 0;
      }
    });
  }
  for (std::thread& member : team) member.join();
  EXPECT_EQ(right, 200);
}

}  // namespace
}  // namespace resnet
