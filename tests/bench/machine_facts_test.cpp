#include "bench/machine_facts.h"

#include <gtest/gtest.h>

#include "core/threads.h"
#include "support/system_tree.h"

namespace minke {
namespace {

using MachineFactsTest = test::SystemTree;

TEST_F(MachineFactsTest, AreReadFromTheSystem) {
  std::string cpus;
  for (const char* core : {"0", "1", "0", "1"})
    cpus += std::string("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nphysical id\t: 0\ncore id\t\t: ") + core +
            "\n\n";
  file("proc/cpuinfo", cpus.c_str());
  file("sys/devices/system/cpu/online", "0-3,6\n");
  file("sys/devices/system/node/has_memory", "0-1\n");
  file("sys/fs/cgroup/cpu.max", "150000 100000\n");
  file("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  file("proc/meminfo", "MemAvailable:  4096 kB\nSwapTotal:  409600 kB\nSwapFree:  4096 kB\n");
  file("proc/sys/user/max_user_namespaces", "100\n");
  file("proc/sys/kernel/unprivileged_userns_clone", "0\n");
  file("bin/mpirun", "");
  const MachineFacts f = machine_facts(root_, "/nowhere:" + (root_ / "bin").string());
  EXPECT_EQ(f.processor, "A Processor @ 2 GHz");
  EXPECT_EQ(f.cores, 2);
  EXPECT_EQ(f.cpus, 5);
  EXPECT_EQ(f.allowed_cpus, hardware_threads());
  EXPECT_EQ(f.quota, 1.5);
  EXPECT_EQ(f.memory_nodes, 2);
  EXPECT_EQ(f.free_memory, 4096u << 10);
  EXPECT_EQ(f.swap_used, size_t(405504) << 10);
  EXPECT_EQ(f.huge_pages, "never");
  EXPECT_EQ(f.governor, "powersave");
  EXPECT_EQ(f.namespaces, false);
  EXPECT_EQ(f.mpi, (root_ / "bin/mpirun").string());
  const auto sentences = advice(f);
  const auto says = [&](std::string_view text) {
    return std::any_of(sentences.begin(), sentences.end(),
                       [&](const std::string& s) { return s.find(text) != s.npos; });
  };
  EXPECT_TRUE(says("echo madvise"));
  EXPECT_TRUE(says("\"powersave\""));
  EXPECT_TRUE(says("taken by other programs"));
  EXPECT_TRUE(says("swaps"));
  EXPECT_TRUE(says("namespaces"));
}

TEST_F(MachineFactsTest, NothingIsKnownOfAnEmptySystem) {
  const MachineFacts f = machine_facts(root_, "");
  EXPECT_EQ(f.processor, "");
  EXPECT_EQ(f.cores, 0);
  EXPECT_EQ(f.quota, 0);
  EXPECT_EQ(f.memory_nodes, 1);
  EXPECT_EQ(f.huge_pages, "");
  EXPECT_EQ(f.namespaces, std::nullopt);
  EXPECT_EQ(f.mpi, "");
}

TEST_F(MachineFactsTest, AdviceIsForWhatIsWrongOnly) {
  MachineFacts good{.processor = "x",
                    .cpus = 4,
                    .allowed_cpus = 4,
                    .cores = 4,
                    .memory = 100,
                    .free_memory = 90,
                    .huge_pages = "madvise",
                    .governor = "performance",
                    .namespaces = true};
  EXPECT_TRUE(advice(good).empty());
  good.quota = 2;
  ASSERT_EQ(advice(good).size(), 1u);
  EXPECT_NE(advice(good)[0].find("use -t 2"), std::string::npos);
  good.quota = 0, good.cpus = 8;
  EXPECT_NE(advice(good)[0].find("4 of 8 CPUs"), std::string::npos);
  good.cpus = 4, good.cores = 2;
  EXPECT_NE(advice(good)[0].find("4 CPUs are 2 cores"), std::string::npos);
}

}  // namespace
}  // namespace minke
