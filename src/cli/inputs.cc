#include "cli/inputs.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/way_out.h"
#include "dataset/index.h"
#include "image/notices.h"
#include "model/answer.h"

namespace resnet::cli {

namespace {

void add_set(const std::string& path, Inputs& inputs) {
  Dataset set = Dataset::open(path, {"", "", /*classes=*/false});
  inputs.sets.emplace(inputs.files.size(), std::move(set));
  inputs.files.push_back(path);
}

// Adds an argument, or what lies in it where it is a directory or archive.
void add_input(const std::string& argument, Inputs& inputs) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = argument == "-" ? fs::file_status(fs::file_type::fifo) : fs::status(argument, error);
  if (status.type() == fs::file_type::not_found && !(looks_like_set(argument) && expand_shards(argument).size() > 1)) {
    fail(ErrorCode::kNotFound, argument.empty() ? "''" : argument, "there is no such file or directory");
  }
  if (status.type() == fs::file_type::none) fail(ErrorCode::kIo, argument, "cannot open: {}", error.message());
  if (!fs::is_directory(status)) {
    return looks_like_set(argument) ? add_set(argument, inputs) : inputs.files.push_back(argument);
  }
  const std::int64_t bad = inputs.bad;
  ListingProblems problems;
  problems.unreadable = [&](const Error& problem) {
    ++inputs.bad;
    say(problem.what());
  };
  problems.passed_over = say_passed_over;
  const std::vector<std::string> found = list_files(argument, looks_like_input, problems);
  if (found.empty() && inputs.bad == bad) return add_set(argument, inputs);  // CIFAR's files, or an error
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
      say(error.what() + file_meant(error));
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

std::size_t Inputs::pictures() const {
  std::size_t count = files.size() - sets.size();
  for (const auto& [file, set] : sets) count += set.count();
  return count;
}

std::optional<Item> InputSource::next() {
  for (;;) {
    if (set_) {
      try {
        if (std::optional<Item> item = set_->next()) return item;
        set_.reset();
      } catch (const Error& error) {
        set_.reset();
        Item item;
        item.path = inputs_.files[next_ - 1];
        item.error = error;
        return item;
      }
    }
    if (next_ == inputs_.files.size()) return std::nullopt;
    const auto set = inputs_.sets.find(next_++);
    if (set == inputs_.sets.end()) {
      Item item;
      item.path = inputs_.files[next_ - 1];
      return item;
    }
    set_ = set->second.items();
  }
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
