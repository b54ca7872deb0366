#include "cli/inputs.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "image/notices.h"
#include "model/answer.h"

namespace resnet::cli {

namespace {

// Adds an argument, or what lies in it where it is a directory.
void add_input(const std::string& argument, Inputs& inputs) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = argument == "-" ? fs::file_status(fs::file_type::fifo) : fs::status(argument, error);
  if (status.type() == fs::file_type::not_found) {
    fail(ErrorCode::kNotFound, argument, "there is no such file or directory");
  }
  if (status.type() == fs::file_type::none) fail(ErrorCode::kIo, argument, "cannot open: {}", error.message());
  if (!fs::is_directory(status)) return inputs.files.push_back(argument);
  const std::int64_t bad = inputs.bad;
  ListingProblems problems;
  problems.unreadable = [&](const Error& problem) {
    ++inputs.bad;
    say(problem.what());
  };
  problems.passed_over = say_passed_over;
  const std::vector<std::string> found = list_files(argument, looks_like_input, problems);
  if (found.empty() && inputs.bad == bad) {
    fail(ErrorCode::kNotFound, argument, "there are no pictures in this directory");
  }
  inputs.files.insert(inputs.files.end(), found.begin(), found.end());
}

}  // namespace

Inputs list_inputs(const std::vector<std::string>& arguments) {
  if (std::count(arguments.begin(), arguments.end(), "-") > 1) throw Usage("-: standard input can be read only once");
  Inputs inputs;
  for (const std::string& argument : arguments) {
    try {
      add_input(argument, inputs);
    } catch (const Error& error) {
      if (arguments.size() == 1) throw;
      ++inputs.bad;
      say(error.what());
    }
  }
  if (inputs.files.empty()) fail_if_bad(inputs.bad, inputs.count());
  return inputs;
}

void say_passed_over(const Error& problem) { say(fmt::format("{}; it is passed over", problem.what())); }

void say_notes(const std::string& path, const PictureNotes& notes) {
  static PictureNotices notices;
  for (const std::string& line : notices.take(path == "-" ? "standard input" : path, notes)) say(line);
}

std::optional<Item> FileSource::next() {
  if (next_ == files_.size()) return std::nullopt;
  Item item;
  item.path = files_[next_++];
  return item;
}

void read_standard_input(Item& item) {
  if (item.path == "-") item.bytes = read_stream(STDIN_FILENO, "standard input", kMaxFileBytes);
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
