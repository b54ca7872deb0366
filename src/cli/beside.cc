#include "cli/beside.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace resnet::cli {

std::string program_beside(const std::string& name) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / name).string();
}

void run_beside(const std::string& program, const std::string& command, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"resnet", command});
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  fail(ErrorCode::kIo, program, "cannot run: {}", std::strerror(errno));
}

}  // namespace resnet::cli
