#include "cli/inputs.h"

#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "model/answer.h"

namespace resnet::cli {

std::vector<std::string> list_inputs(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  for (const std::string& argument : arguments) {
    if (argument != "-" && !std::filesystem::exists(argument)) {
      fail(ErrorCode::kNotFound, argument, "there is no such file or directory");
    }
    if (argument == "-" || !std::filesystem::is_directory(argument)) {
      files.push_back(argument);
      continue;
    }
    const std::vector<std::string> found = list_files(argument, looks_like_input);
    if (found.empty()) fail(ErrorCode::kNotFound, argument, "there are no pictures in this directory");
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

std::optional<Item> FileSource::next() {
  if (next_ == files_.size()) return std::nullopt;
  Item item;
  item.path = files_[next_++];
  if (item.path == "-") item.bytes = read_stream(STDIN_FILENO, "standard input", kMaxFileBytes);
  return item;
}

bool AnswerCheck::take(std::span<const float> values, const std::string& path) {
  if (allow_) return true;
  try {
    check_answer(values, path);
    return true;
  } catch (const Error& error) {
    if (alone_) throw;
    say(error.what());
  }
  ++bad_;
  return false;
}

void AnswerCheck::finish() const {
  if (bad_ > 0) fail(ErrorCode::kUnsupported, "", "{} answer{} not finite", bad_, bad_ == 1 ? " is" : "s are");
}

void fail_if_bad(std::int64_t bad, std::size_t inputs) {
  if (bad > 0) fail(ErrorCode::kFormat, "", "{} of {} inputs could not be read", bad, inputs);
}

}  // namespace resnet::cli
