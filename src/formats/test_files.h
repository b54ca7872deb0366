// What the tests of file formats share: a folder of their own, bytes on disk, the error of a refused file, and how much
// memory it took.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/checked_file.h"
#include "base/file.h"
#include "resnet/error.h"

namespace resnet {

class FormatTest : public ::testing::Test {
 public:
  std::string path(const std::string& name) const { return (directory_ / name).string(); }

  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

 protected:
  FormatTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "resnet-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = pattern;
  }
  ~FormatTest() override { std::filesystem::remove_all(directory_); }

  // The bytes as a file of their own, without a disk.
  static std::shared_ptr<const CheckedFile> file_of_bytes(const std::string& bytes) {
    return CheckedFile::from_bytes(std::as_bytes(std::span(bytes)));
  }

  static std::string read(const std::string& path) {
    const std::vector<std::byte> bytes = read_file(path);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::filesystem::path directory_;
};

#ifdef RESNET_SANITIZED  // by cmake/rooms.cmake
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// From here on peak_memory() counts anew, from what is in use.
inline void clear_peak() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

// Resident bytes of the process at their highest.
inline std::size_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

// The message of the error that `action` throws, without the path it must begin with.
template <typename Action>
std::string error_of(const std::string& path, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_THAT(message, ::testing::StartsWith(path + ": "));
    EXPECT_THAT(message, ::testing::Not(::testing::HasSubstr("\n")));
    return message.substr(std::min(message.size(), path.size() + 2));
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace resnet
