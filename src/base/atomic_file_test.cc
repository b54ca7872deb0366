// What AtomicFile keeps of a file that it replaces, and where it cannot replace one.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/notice.h"
#include "resnet/error.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string noticed;

class AtomicFileTest : public ::testing::Test {
 protected:
  AtomicFileTest() {
    std::string pattern = (fs::temp_directory_path() / "resnet-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = pattern;
    path_ = folder_ / "out";
    noticed.clear();
    set_notice_handler([](std::string_view line) { noticed = line; });
  }
  ~AtomicFileTest() override {
    set_notice_handler(nullptr);
    fs::remove_all(folder_);
  }

  static void write(const std::string& path, std::string_view text) {
    AtomicFile file(path);
    file.write(text);
    file.commit();
  }

  static std::string text_of(const std::string& path) {
    const std::vector<std::byte> bytes = read_file(path);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  static std::string error_of(const std::string& path) {
    try {
      const AtomicFile file(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  std::ptrdiff_t files() const { return std::distance(fs::directory_iterator(folder_), {}); }

  static struct stat status(const std::string& path) {
    struct stat result {};
    stat(path.c_str(), &result);
    return result;
  }

  static std::string attribute(const std::string& path, const char* name) {
    std::array<char, 256> value{};
    const ssize_t size = getxattr(path.c_str(), name, value.data(), value.size());
    return size < 0 ? "none" : std::string(value.data(), static_cast<std::size_t>(size));
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(AtomicFileTest, KeepsRights) {
  std::ofstream(path_) << "old";
  for (const mode_t mode : {0600U, 0640U, 0666U, 0755U, 0200U}) {
    chmod(path_.c_str(), mode);
    write(path_, "new");
    EXPECT_EQ(status(path_).st_mode & 07777U, mode);
  }
  const mode_t mask = umask(0027);
  write(folder_ / "another", "new");
  umask(mask);
  EXPECT_EQ(status(folder_ / "another").st_mode & 07777U, 0640U) << "a new file has those of new files";
}

// A shell's `{ resnet draw ... -o /dev/stdout; echo done; } >> file`.
TEST_F(AtomicFileTest, WritesToWhatIsOpen) {
  std::ofstream(path_) << "old ";
  const Descriptor held(::open(path_.c_str(), O_WRONLY | O_APPEND));
  const Descriptor reads(::open(path_.c_str(), O_RDONLY));
  ASSERT_TRUE(held && reads);
  fs::create_directory(folder_ / "links");
  fs::create_symlink("/proc/self/fd/" + std::to_string(held.get()), folder_ / "links/a");
  fs::create_symlink("links/a", folder_ / "b");
  for (const std::string& path : {"/dev/fd/" + std::to_string(held.get()), (folder_ / "b").string()}) {
    AtomicFile file(path);
    EXPECT_FALSE(file.replaces());
    file.write("new ");
    file.commit();
  }
  ASSERT_EQ(::write(held.get(), "done", 4), 4);
  EXPECT_EQ(text_of(path_), "old new new done");
  EXPECT_EQ(files(), 3);
  fs::remove(path_);
  EXPECT_EQ(error_of("/dev/fd/" + std::to_string(held.get())), "no error") << "also where the file is gone";
  const std::string other = "/dev/fd/" + std::to_string(reads.get());
  EXPECT_EQ(error_of(other), other + ": cannot write: Bad file descriptor");
  EXPECT_EQ(error_of("/dev/fd/9999"), "/dev/fd/9999: cannot write: Bad file descriptor");
}

TEST_F(AtomicFileTest, NobodySeesMoreThanBefore) {
  std::ofstream(path_) << "old";
  chmod(path_.c_str(), 0600);
  AtomicFile file(path_);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    EXPECT_EQ(status(entry.path()).st_mode & 07777U, 0600U) << entry.path();
  }
}

TEST_F(AtomicFileTest, KeepsTheOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  std::ofstream(path_) << "old";
  ASSERT_EQ(chown(path_.c_str(), 1234, 5678), 0);
  chmod(path_.c_str(), 04711);
  write(path_, "new");
  EXPECT_EQ(status(path_).st_uid, 1234U);
  EXPECT_EQ(status(path_).st_gid, 5678U);
  EXPECT_EQ(status(path_).st_mode & 07777U, 04711U);
  EXPECT_EQ(noticed, "");
}

TEST_F(AtomicFileTest, KeepsExtendedAttributes) {
  std::ofstream(path_) << "old";
  if (setxattr(path_.c_str(), "user.origin", "lab", 3, 0) != 0) GTEST_SKIP() << "the file system has none";
  write(path_, "new");
  EXPECT_EQ(attribute(path_, "user.origin"), "lab");
}

// Version 2; user_obj, a user, group_obj, mask, other: tag, permissions, id (linux/posix_acl_xattr.h).
std::string access_list(unsigned short user_permissions) {
  std::string list = {2, 0, 0, 0};
  const auto add = [&](unsigned short tag, unsigned short permissions, unsigned id) {
    list.append(reinterpret_cast<const char*>(&tag), 2);
    list.append(reinterpret_cast<const char*>(&permissions), 2);
    list.append(reinterpret_cast<const char*>(&id), 4);
  };
  add(0x01, 6, ~0U);
  add(0x02, user_permissions, 4321);
  add(0x04, 4, ~0U);
  add(0x10, 6, ~0U);
  add(0x20, 0, ~0U);
  return list;
}

TEST_F(AtomicFileTest, KeepsTheAccessList) {
  constexpr const char* kAccess = "system.posix_acl_access";
  std::ofstream(path_) << "old";
  const std::string list = access_list(6);
  if (setxattr(path_.c_str(), kAccess, list.data(), list.size(), 0) != 0) GTEST_SKIP() << "the file system has none";
  write(path_, "new");
  EXPECT_EQ(attribute(path_, kAccess), list);

  // A folder that gives its new files a list: the file had none and gets none.
  removexattr(path_.c_str(), kAccess);
  chmod(path_.c_str(), 0604);
  ASSERT_EQ(setxattr(folder_.c_str(), "system.posix_acl_default", list.data(), list.size(), 0), 0);
  write(path_, "newer");
  EXPECT_EQ(attribute(path_, kAccess), "none");
  EXPECT_EQ(status(path_).st_mode & 07777U, 0604U);
}

TEST_F(AtomicFileTest, RefusesAWriteProtectedFile) {
  std::ofstream(path_) << "old";
  chmod(path_.c_str(), 0444);
  EXPECT_EQ(error_of(path_), path_ + ": is write-protected: it is not replaced");
  fs::create_symlink(path_, folder_ / "link");
  EXPECT_THAT(error_of(folder_ / "link"), HasSubstr("is write-protected"));
  EXPECT_EQ(text_of(path_), "old");
  EXPECT_EQ(files(), 2);
}

TEST_F(AtomicFileTest, WritesLongNames) {
  std::string letters;
  while (letters.size() < 248) letters += "\xC3\xBC";  // of two bytes each
  for (const std::string& name : {std::string(255, 'n'), "a" + letters, letters + "7"}) {
    for (int i = 0; i < 3; ++i) {
      AtomicFile file(folder_ / name);
      for (const auto& entry : fs::directory_iterator(folder_)) {
        EXPECT_EQ(entry.path().filename().string().find("\xC3."), std::string::npos) << "half a letter";
      }
      file.write("new");
      file.commit();
    }
    EXPECT_EQ(text_of(folder_ / name), "new");
  }
  EXPECT_EQ(files(), 3);
  EXPECT_THAT(error_of(folder_ / std::string(256, 'n')), HasSubstr("File name too long"));
}

// Runs the body in a child process, which it may change; its status is the number of failures.
template <typename Body>
void in_child(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      body();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    std::fflush(stdout);
    _exit(::testing::Test::HasFailure() ? 1 : ::testing::Test::IsSkipped() ? 2 : 0);
  }
  int result = 0;
  waitpid(child, &result, 0);
  if (WIFEXITED(result) && WEXITSTATUS(result) == 2) GTEST_SKIP() << "the system does not allow it";
  EXPECT_EQ(result, 0);
}

TEST_F(AtomicFileTest, WritesAMountInPlace) {
  std::ofstream(path_) << "what was there before, and longer";
  std::ofstream(folder_ / "source") << "something else, also longer than what comes";
  chmod((folder_ / "source").c_str(), 0640);
  in_child([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount((folder_ / "source").c_str(), path_.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      GTEST_SKIP();
    }
    { AtomicFile(path_).write("not this"); }
    EXPECT_THAT(text_of(path_), StartsWith("something else"));
    EXPECT_EQ(noticed, "");
    write(path_, "new");
    EXPECT_EQ(text_of(path_), "new");
    EXPECT_EQ(noticed, path_ + ": was written over in place, as it cannot be replaced: Device or resource busy");
  });
  if (IsSkipped()) return;
  EXPECT_EQ(text_of(folder_ / "source"), "new");
  EXPECT_EQ(status(folder_ / "source").st_mode & 07777U, 0640U);
  EXPECT_THAT(text_of(path_), StartsWith("what was there"));
  EXPECT_EQ(files(), 2);
}

// What somebody may do who is not root.
TEST_F(AtomicFileTest, WritesInPlaceWhereAnotherOwnsTheFolderOrTheFile) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  std::ofstream(path_) << "old and longer";
  std::ofstream(folder_ / "other") << "old and longer";
  fs::create_directory(folder_ / "open");
  std::ofstream(folder_ / "open" / "file") << "old and longer";
  chmod(folder_.c_str(), 0755);
  chmod((folder_ / "open").c_str(), 0777);
  chmod(path_.c_str(), 0666);
  chmod((folder_ / "open" / "file").c_str(), 0666);
  in_child([&] {
    ASSERT_EQ(setgid(1234), 0);
    ASSERT_EQ(setuid(1234), 0);
    write(path_, "new");
    EXPECT_THAT(noticed, AllOf(StartsWith(path_), HasSubstr("in place"), HasSubstr("Permission denied")));
    write(folder_ / "open" / "file", "new");
    EXPECT_THAT(noticed, AllOf(HasSubstr("open/file"), HasSubstr("in place"), HasSubstr("not permitted")));
    EXPECT_THAT(error_of(folder_ / "other"), HasSubstr("cannot write: Permission denied"));
    EXPECT_THAT(error_of(folder_ / "new"), HasSubstr("cannot write: Permission denied"));
  });
  EXPECT_EQ(text_of(path_), "new");
  EXPECT_EQ(text_of(folder_ / "open" / "file"), "new");
  EXPECT_EQ(status(folder_ / "open" / "file").st_uid, 0U) << "its owner stays";
  EXPECT_EQ(text_of(folder_ / "other"), "old and longer");
  EXPECT_EQ(files(), 3);
}

void end(int signal) {
  if (end_temporary_files(signal)) _exit(7);
}

// In a child: what a program's handler does.
TEST_F(AtomicFileTest, ASignalLeavesNoTemporaryFile) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGTERM, end);
    AtomicFile first(path_);
    AtomicFile second(folder_ / "second");
    first.write("half");
    { const AtomicFile gone(folder_ / "third"); }
    std::raise(SIGTERM);
    _exit(1);
  }
  int result = 0;
  waitpid(child, &result, 0);
  EXPECT_EQ(WEXITSTATUS(result), 7);
  EXPECT_EQ(files(), 0);
}

TEST_F(AtomicFileTest, ASignalWaitsForWhatCannotBeInterrupted) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGTERM, end);
    const UninterruptedWrite outer;
    {
      const UninterruptedWrite guard;
      std::raise(SIGTERM);
    }
    std::ofstream(path_) << "whole";
    _exit(0);
  }
  int result = 0;
  waitpid(child, &result, 0);
  EXPECT_EQ(WEXITSTATUS(result), 0);
  EXPECT_EQ(text_of(path_), "whole");

  const pid_t second = fork();
  if (second == 0) {
    std::signal(SIGTERM, end);
    {
      const UninterruptedWrite guard;
      std::raise(SIGTERM);
    }
    _exit(0);
  }
  waitpid(second, &result, 0);
  EXPECT_EQ(WEXITSTATUS(result), 7) << "it comes when the write is done";
}

TEST_F(AtomicFileTest, TakesNoStandardDescriptor) {
  in_child([&] {
    ::close(STDERR_FILENO);
    AtomicFile file(path_);
    static_cast<void>(::write(STDERR_FILENO, "message", 7));
    file.write("bytes");
    file.commit();
    EXPECT_EQ(text_of(path_), "bytes");
  });
}

}  // namespace
}  // namespace resnet
