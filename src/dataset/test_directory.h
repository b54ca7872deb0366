// A directory of its own for each test of this room.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>

#include "resnet/error.h"

namespace resnet::testing {

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "resnet-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = pattern;
  }
  ~DirectoryTest() override { std::filesystem::remove_all(directory_); }

  std::string at(const std::string& path) const { return directory_ / path; }

  void write(const std::string& path, const std::string& text = "x") const {
    std::filesystem::create_directories((directory_ / path).parent_path());
    std::ofstream(directory_ / path, std::ios::binary) << text;
  }
  void write(const std::string& path, std::span<const std::byte> bytes) const {
    write(path, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  std::string read(const std::string& path) const {
    std::ifstream file(directory_ / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // tar through the system's own program: the folder `data`, or the files named.
  void archive(const std::string& name, const std::string& options) const { archive_files(name, "data", options); }
  void archive_files(const std::string& name, const std::string& files, const std::string& options = "") const {
    const std::string command = "tar -C '" + directory_.string() + "' " + options + " -cf '" + at(name) + "' " + files;
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

  std::filesystem::path directory_;
};

// What the error says that `body` throws.
template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace resnet::testing
