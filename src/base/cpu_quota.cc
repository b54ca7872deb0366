#include "base/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

namespace resnet {
namespace {

// A hierarchy of groups that is mounted here (proc(5), /proc/[pid]/mountinfo).
struct Mount {
  std::string root;  // the group that lies at `point`
  std::string point;
  bool v2 = false;
};

// Spaces and the like are written as octal numbers: "\040".
std::string unescaped(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string digits = text[i] == '\\' ? text.substr(i + 1, 3) : "";
    if (digits.size() == 3 && digits.find_first_not_of("01234567") == std::string::npos) {
      result += static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

// "rw,cpu,cpuacct" holds "cpu".
bool holds(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

// "36 35 98:0 ROOT POINT rw,noatime master:1 - TYPE source rw,cpu"
std::vector<Mount> mounts(const std::string& root) {
  std::vector<Mount> result;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string number, parent, device, word, type, source, options;
    Mount mount;
    fields >> number >> parent >> device >> mount.root >> mount.point;
    while (fields >> word && word != "-") {
    }
    fields >> type >> source >> options;
    mount.v2 = type == "cgroup2";
    if (!mount.v2 && !(type == "cgroup" && holds(options, "cpu"))) continue;
    mount.root = unescaped(mount.root);
    mount.point = unescaped(mount.point);
    result.push_back(std::move(mount));
  }
  return result;
}

// The group that the process is in: "0::/GROUP" of v2, "4:cpu,cpuacct:/GROUP" of v1.
std::optional<std::string> group_of(const std::string& root, bool v2) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (v2 ? line.starts_with("0::") : holds(controllers, "cpu")) return line.substr(second + 1);
  }
  return std::nullopt;
}

// Of one group alone.
std::optional<double> quota_in(const std::string& folder, bool v2) {
  double quota = 0;
  double period = 0;
  if (v2) {
    std::ifstream(folder + "/cpu.max") >> quota >> period;  // "max 100000" where there is none
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;  // -1 where there is none
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  if (!(quota > 0 && period > 0)) return std::nullopt;
  return quota / period;
}

}  // namespace

std::optional<double> cpu_quota(const std::string& root) {
  std::optional<double> least;
  for (const Mount& mount : mounts(root)) {
    std::string below = group_of(root, mount.v2).value_or("/");
    const std::string above = mount.root == "/" ? "" : mount.root;
    // A group outside what is mounted here, as containers may show it, leaves the mounted one alone to be looked at.
    const bool inside = (below + "/").starts_with(above + "/") && below.find("/..") == std::string::npos;
    below = inside ? below.substr(above.size()) : "";
    for (;; below.erase(below.rfind('/'))) {
      while (below.ends_with('/')) below.pop_back();
      const auto quota = quota_in(root + mount.point + below, mount.v2);
      if (quota) least = std::min(*quota, least.value_or(*quota));
      if (below.empty()) break;
    }
  }
  return least;
}

}  // namespace resnet
