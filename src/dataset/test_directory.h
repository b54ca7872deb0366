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

  // zip through Python: what lies below the folder `from`, each path with `prefix` before it. `options` are arguments
  // of ZipFile() and writestr().
  void zip(const std::string& name, const std::string& from, const std::string& prefix = "",
           const std::string& options = "compression=zipfile.ZIP_DEFLATED") const {
    const std::string script =
        "import os, sys, zipfile\n"
        "out, top, prefix = sys.argv[1:]\n"
        "with zipfile.ZipFile(out, 'w', " +
        options +
        ") as file:\n"
        "  for folder, folders, names in sorted(os.walk(top)):\n"
        "    if folder != top: file.write(folder, prefix + os.path.relpath(folder, top))\n"
        "    for name in names:\n"
        "      path = os.path.join(folder, name)\n"
        "      with file.open(prefix + os.path.relpath(path, top), 'w', force_zip64=len(name) % 2 == 0) as entry:\n"
        "        entry.write(open(path, 'rb').read())\n";
    const std::string command =
        "python3 -c '" + replaced(script, "'", "'\\''") + "' '" + at(name) + "' '" + at(from) + "' '" + prefix + "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

  static std::string replaced(std::string text, const std::string& what, const std::string& by) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
      text.replace(at, what.size(), by);
    }
    return text;
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
