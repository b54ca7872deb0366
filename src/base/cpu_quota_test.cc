#include "base/cpu_quota.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/thread_pool.h"

namespace resnet {
namespace {

class CpuQuotaTest : public ::testing::Test {
 protected:
  CpuQuotaTest() : root_(::testing::TempDir() + "cpu_quota_test-" + std::to_string(::getpid())) {}
  ~CpuQuotaTest() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  void mount_v2(const std::string& group, const std::string& at = "/") {
    write("/proc/self/cgroup", "0::" + group + "\n");
    write("/proc/self/mountinfo", "25 20 0:22 / /proc rw - proc proc rw\n31 23 0:28 " + at +
                                      " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }

  std::string root_;
};

TEST_F(CpuQuotaTest, NothingLimitsWhereNobodySaysSo) {
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
  mount_v2("/a");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
  write("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
  write("/sys/fs/cgroup/a/cpu.max", "what\n");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
}

TEST_F(CpuQuotaTest, TakesTheLeastOnTheWayUp) {
  mount_v2("/user.slice/a b/c");
  write("/sys/fs/cgroup/user.slice/a b/c/cpu.max", "300000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 3);
  write("/sys/fs/cgroup/user.slice/a b/cpu.max", "75000 50000\n");
  EXPECT_EQ(cpu_quota(root_), 1.5);
  write("/sys/fs/cgroup/user.slice/cpu.max", "200000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 1.5);
  write("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 0.5);
  write("/sys/fs/cgroup/other/cpu.max", "1000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 0.5);
}

TEST_F(CpuQuotaTest, KnowsContainers) {
  mount_v2("/");  // a namespace of its own
  write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 2);
  mount_v2("/../../other");  // the group lies outside of it
  EXPECT_EQ(cpu_quota(root_), 2);
  mount_v2("/docker/1a", "/docker/1a");  // none, but a part of the tree is mounted
  EXPECT_EQ(cpu_quota(root_), 2);
  mount_v2("/docker/1a/inner", "/docker/1a");
  write("/sys/fs/cgroup/inner/cpu.max", "100000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 1);
  mount_v2("/docker/1abc/inner", "/docker/1a");
  EXPECT_EQ(cpu_quota(root_), 2);
}

TEST_F(CpuQuotaTest, KnowsVersionOne) {
  write("/proc/self/cgroup", "5:cpuset:/set\n4:cpu,cpuacct:/docker/1a\n0::/\n");
  write("/proc/self/mountinfo",
        "32 31 0:29 / /sys/fs/cgroup/cpu\\040and\\040more rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
        "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n");
  write("/sys/fs/cgroup/cpu and more/docker/1a/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu and more/docker/1a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
  write("/sys/fs/cgroup/cpu and more/docker/cpu.cfs_quota_us", "250000\n");
  write("/sys/fs/cgroup/cpu and more/docker/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root_), 2.5);
}

TEST(ProcessorsTest, AreTheLeastOfAffinityAndQuota) {
  EXPECT_EQ(processors_of(4, std::nullopt), 4);
  EXPECT_EQ(processors_of(4, 2), 2);
  EXPECT_EQ(processors_of(4, 2.1), 3);
  EXPECT_EQ(processors_of(4, 0.2), 1);
  EXPECT_EQ(processors_of(4, 100), 4);
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(available_processors(), 1);
  EXPECT_EQ(bound_processors(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace resnet
