#include "core/machine_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/system_tree.h"

namespace minke {
namespace {

using MachineMemory = test::SystemTree;

TEST_F(MachineMemory, WithoutGroupsItIsTheMachines) {
  const size_t all = machine_memory(root_);
  EXPECT_EQ(all, size_t(::sysconf(_SC_PHYS_PAGES)) * size_t(::sysconf(_SC_PAGESIZE)));
  EXPECT_LE(machine_memory(), all);
  EXPECT_GT(machine_memory(), 0u);
}

TEST_F(MachineMemory, AContainersLimit) {
  file("sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(machine_memory(root_), machine_memory(root_ / "none"));
  file("sys/fs/cgroup/memory.max", "70519\n");
  EXPECT_EQ(machine_memory(root_), 70519u);
}

TEST_F(MachineMemory, TheSmallestLimitOfTheGroupsAroundIt) {
  file("proc/self/cgroup", "0::/user.slice/run-1.scope\n");
  file("sys/fs/cgroup/user.slice/memory.max", "50000\n");
  file("sys/fs/cgroup/user.slice/run-1.scope/memory.max", "60000\n");
  EXPECT_EQ(machine_memory(root_), 50000u);
  file("sys/fs/cgroup/user.slice/run-1.scope/memory.max", "40000\n");
  EXPECT_EQ(machine_memory(root_), 40000u);
  file("sys/fs/cgroup/memory.max", "30000\n");
  EXPECT_EQ(machine_memory(root_), 30000u);
}

TEST_F(MachineMemory, TheFirstVersionOfGroups) {
  file("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1f\n0::/\nno colon\n");
  file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(machine_memory(root_), machine_memory(root_ / "none"));
  file("sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes", "20000\n");
  EXPECT_EQ(machine_memory(root_), 20000u);
  file("sys/fs/cgroup/memory/memory.limit_in_bytes", "10000\n");
  EXPECT_EQ(machine_memory(root_), 10000u);
}

TEST_F(MachineMemory, FreeIsWhatIsAvailableAndWithinTheLimit) {
  EXPECT_LT(free_memory(root_), machine_memory(root_));  // this process holds some
  file("proc/meminfo", "MemTotal:  2000 kB\nMemFree:  100 kB\nMemAvailable:     300 kB\n");
  EXPECT_EQ(free_memory(root_), 300u << 10);
  file("sys/fs/cgroup/memory.max", "70519\n");  // less than the process holds
  EXPECT_EQ(free_memory(root_), 0u);
}

}  // namespace
}  // namespace minke
