#include "base/fault.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <system_error>
#include <vector>

namespace resnet {
namespace {

template <typename Work>
std::string told(const Work& work) {
  try {
    work();
  } catch (const std::exception& fault) {
    return describe_fault(fault);
  }
  return "nothing";
}

TEST(FaultTest, KeepsTheWordsOfTheStandardLibraryToItself) {
  const std::string own = "a fault of resnet itself, not of what it was given: please report it with what led to it";
  EXPECT_EQ(told([] { static_cast<void>(std::map<int, int>().at(1)); }), own);
  EXPECT_EQ(told([] { static_cast<void>(std::stoi("x")); }), own);
  EXPECT_EQ(told([] { std::vector<char>().resize(SIZE_MAX); }), "out of memory");
  EXPECT_EQ(told([] { throw std::bad_alloc(); }), "out of memory");
}

TEST(FaultTest, TellsWhatTheSystemSays) {
  const std::string name(300, 'x');
  EXPECT_EQ(told([&] { static_cast<void>(std::filesystem::file_size(name)); }), name + ": File name too long");
  EXPECT_EQ(told([] { throw std::system_error(EAGAIN, std::generic_category(), "thread"); }),
            "Resource temporarily unavailable");
}

}  // namespace
}  // namespace resnet
