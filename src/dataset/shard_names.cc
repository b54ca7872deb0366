// "data-{000..127}.tar" and what it stands for.
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "dataset/index.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxShards = 100'000;

struct Range {
  std::size_t begin;  // of "{" in the path
  std::size_t end;    // behind "}"
  std::size_t first;
  std::size_t last;
  std::size_t digits;
};

// The first "{A..B}" of a path.
std::optional<Range> find_range(const std::string& path) {
  constexpr std::size_t kMaxDigits = 9;
  for (std::size_t open = path.find('{'); open != std::string::npos; open = path.find('{', open + 1)) {
    const std::size_t close = path.find('}', open);
    const std::size_t dots = path.find("..", open);
    if (close == std::string::npos || dots == std::string::npos || dots > close) continue;
    const std::string first = path.substr(open + 1, dots - open - 1);
    const std::string last = path.substr(dots + 2, close - dots - 2);
    if (!all_digits(first) || !all_digits(last) || first.size() > kMaxDigits || last.size() > kMaxDigits) continue;
    return Range{open, close + 1, std::stoul(first), std::stoul(last), first.size()};
  }
  return std::nullopt;
}

void expand(const std::string& path, const std::string& original, std::vector<std::string>& paths) {
  const std::optional<Range> range = find_range(path);
  if (!range) {
    if (paths.size() == kMaxShards) fail(ErrorCode::kLimit, original, "more than {} archives", kMaxShards);
    paths.push_back(path);
    return;
  }
  if (range->first > range->last) fail(ErrorCode::kInvalidArgument, original, "its range runs backwards");
  for (std::size_t i = range->first; i <= range->last; ++i) {
    expand(fmt::format("{}{:0{}}{}", path.substr(0, range->begin), i, range->digits, path.substr(range->end)), original,
           paths);
  }
}

}  // namespace

std::vector<std::string> expand_shards(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return {path};
  std::vector<std::string> paths;
  expand(path, path, paths);
  return paths;
}

}  // namespace resnet
