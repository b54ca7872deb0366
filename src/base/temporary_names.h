// The names of this process's temporary files, so that a program which a signal ends can remove them on its way out. A
// library handles no signals: programs do (cli/signals.h).
#pragma once

#include <cstddef>
#include <string>

namespace resnet {

// A name beside `path` that no other process and no other call gives, not longer than the file system allows.
std::string temporary_name_beside(const std::string& path);

// Registers a file's path as long as it lives. Of more than 64 at a time, and of paths that the system would refuse,
// it forgets the rest.
class TemporaryName {
 public:
  explicit TemporaryName(const std::string& path) noexcept;
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;
  ~TemporaryName();

 private:
  std::size_t slot_;
};

// As long as one lives, end_temporary_files() waits: a file is being written that no rename puts in its place.
class UninterruptedWrite {
 public:
  UninterruptedWrite() noexcept;
  UninterruptedWrite(const UninterruptedWrite&) = delete;
  UninterruptedWrite& operator=(const UninterruptedWrite&) = delete;
  ~UninterruptedWrite();  // raises the signal that came meanwhile
};

// For the handler of a signal that is to end the process: removes the files that are registered. False where the
// process must not end yet: the signal is then raised again when it may.
bool end_temporary_files(int signal) noexcept;

}  // namespace resnet
