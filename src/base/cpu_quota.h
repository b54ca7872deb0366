// How much processor time the control groups of this process allow it.
#pragma once

#include <optional>
#include <string>

namespace resnet {

// Seconds of processor time a second: the least that the process's own group or any group above it allows, by cgroup v2
// (cpu.max) or v1 (cpu.cfs_quota_us); nothing where none limits it or where that cannot be read. `root` stands before
// the paths of /proc and of what is mounted, for tests.
std::optional<double> cpu_quota(const std::string& root = "");

}  // namespace resnet
