#include "core/memory_nodes.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>
#include <map>
#include <thread>

#include "core/system_files.h"
#include "core/threads.h"
#include "support/system_tree.h"

namespace minke {
namespace {

// A kernel that notes what it is asked for.
struct NotedCalls final : NodeCalls {
  int refuse = 0;  // errno of interleave
  bool policy = false;
  int asked = 0;
  std::vector<int> interleaved;
  std::map<std::vector<int>, int> bound;  // how many threads to these CPUs
  std::map<const void*, int> pages;

  int bind_thread(const std::vector<int>& cpus) override { return ++asked, ++bound[cpus], 0; }
  bool has_policy() override { return ++asked, policy; }
  int interleave(const std::vector<int>& nodes) override { return ++asked, interleaved = nodes, refuse; }
  int bind_memory(void*, size_t, int) override { return ++asked, 0; }
  int node_of(const void* address) override { return ++asked, pages.at(address); }
};

class MemoryNodesTest : public test::SystemTree {
 protected:
  void process(const char* cpus, const char* nodes) {
    file("proc/self/status", ("Name:\tminke\nCpus_allowed:\tff\nCpus_allowed_list:\t" + std::string(cpus) +
                              "\nMems_allowed_list:\t" + nodes + "\nother: 1\n")
                                 .c_str());
  }
  void node(int id, const char* cpus, int gib) {
    const std::string folder = "sys/devices/system/node/node" + std::to_string(id);
    file((folder + "/cpulist").c_str(), (std::string(cpus) + "\n").c_str());
    file((folder + "/meminfo").c_str(), ("\nNode " + std::to_string(id) + " MemTotal:    " + std::to_string(gib << 20) +
                                         " kB\nNode " + std::to_string(id) + " MemFree:  1 kB\n")
                                            .c_str());
  }
  void online(const char* list) { file("sys/devices/system/node/online", list); }
  void two_nodes() { online("0-1\n"), node(0, "0-3", 8), node(1, "4-7", 16); }

  NotedCalls calls_;
  MemoryPlacement placed(int threads) {
    MemoryPlacement p(memory_nodes(root_), threads, calls_);
    for (int t = 0; t < threads; ++t) p.bind(t);
    return p;
  }
};

using Cpus = std::vector<int>;

TEST_F(MemoryNodesTest, AreReadFromTheSystem) {
  process("0-5", "0-1"), two_nodes();
  const auto nodes = memory_nodes(root_);
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].id, 0);
  EXPECT_EQ(nodes[0].cpus, (Cpus{0, 1, 2, 3}));
  EXPECT_EQ(nodes[0].memory, size_t(8) << 30);
  EXPECT_EQ(nodes[1].cpus, (Cpus{4, 5}));  // not those outside of the mask
  EXPECT_EQ(nodes[1].memory, size_t(16) << 30);
}

TEST_F(MemoryNodesTest, OneNodeAsksForNothing) {
  process("0-3", "0"), online("0\n"), node(0, "0-3", 8);
  EXPECT_EQ(placed(4).text(), "");
  EXPECT_EQ(calls_.asked, 0);
}

TEST_F(MemoryNodesTest, WhatCannotBeReadAsksForNothing) {
  EXPECT_TRUE(memory_nodes(root_).empty());
  EXPECT_EQ(placed(4).text(), "");
  online("0-1\n");  // but nothing in them
  EXPECT_EQ(placed(4).text(), "");
  process("zero", "0-1"), two_nodes();
  EXPECT_EQ(placed(4).text(), "");
  online("0-99999999999999999999,\xff");
  EXPECT_EQ(placed(4).text(), "");
  EXPECT_EQ(calls_.asked, 0);
}

TEST_F(MemoryNodesTest, TwoNodesAreInterleavedAndThreadsSpread) {
  process("0-7", "0-1"), two_nodes();
  const MemoryPlacement p = placed(8);
  EXPECT_EQ(p.text(), " on 2 memory nodes, memory interleaved");
  EXPECT_EQ(calls_.interleaved, (Cpus{0, 1}));
  // The calling thread counts as the first of node 0 and is left alone.
  EXPECT_EQ(calls_.bound, (std::map<Cpus, int>{{{0, 1, 2, 3}, 3}, {{4, 5, 6, 7}, 4}}));
}

TEST_F(MemoryNodesTest, ThreadsAreSpreadByTheCpusOfNodes) {
  process("3-7", "0-1"), two_nodes();
  placed(5);
  EXPECT_EQ(calls_.bound[{3}], 1);
  EXPECT_EQ(calls_.bound[(Cpus{4, 5, 6, 7})], 3);
}

TEST_F(MemoryNodesTest, OnlyNodesOfThreadsAreUsed) {
  process("0-7", "0-1"), two_nodes();
  EXPECT_EQ(placed(1).text(), "");  // one thread, one node
  process("0-3", "0-1");            // taskset to node 0: the memory of node 1 is far from all threads
  EXPECT_EQ(placed(4).text(), "");
  process("0-7", "1");  // numactl --membind=1
  EXPECT_EQ(placed(8).text(), "");
  EXPECT_EQ(calls_.asked, 0);
}

TEST_F(MemoryNodesTest, ANodeWithoutMemoryHasThreadsOnly) {
  process("0-11", "0-1"), two_nodes();
  online("0-2\n"), node(2, "8-11", 0);
  EXPECT_EQ(placed(12).text(), " on 2 memory nodes, memory interleaved");
  EXPECT_EQ(calls_.interleaved, (Cpus{0, 1}));
  EXPECT_EQ(calls_.bound[(Cpus{8, 9, 10, 11})], 4);
}

TEST_F(MemoryNodesTest, ARefusalIsSaidAndThreadsAreSpread) {
  process("0-7", "0-1"), two_nodes();
  calls_.refuse = EPERM;
  const MemoryPlacement p = placed(8);
  EXPECT_EQ(p.text(),
            " on 2 memory nodes, memory not interleaved (Operation not permitted; numactl --interleave=all may)");
  EXPECT_FALSE(p.interleaved());
  EXPECT_EQ(calls_.bound[(Cpus{4, 5, 6, 7})], 4);
}

TEST_F(MemoryNodesTest, APolicyThatSomebodySetStays) {
  process("0-7", "0-1"), two_nodes();
  calls_.policy = true;
  EXPECT_EQ(placed(8).text(), " (2 memory nodes, memory as numactl has set it)");
  EXPECT_TRUE(calls_.interleaved.empty());
  EXPECT_TRUE(calls_.bound.empty());
}

TEST_F(MemoryNodesTest, AFileOnOneNodeIsSaid) {
  process("0-7", "0-1"), two_nodes();
  const MemoryPlacement p = placed(8);
  const char bytes[3] = {};
  const void* pages[] = {bytes, bytes + 1, bytes + 2};
  calls_.pages = {{bytes, 1}, {bytes + 1, 1}, {bytes + 2, 1}};
  EXPECT_NE(p.file_note(pages).find("in the memory of node 1 only"), std::string::npos);
  EXPECT_EQ(p.file_note({}), "");
  calls_.pages[bytes + 1] = 0;
  EXPECT_EQ(p.file_note(pages), "");
  calls_.pages = {{bytes, -1}, {bytes + 1, -1}, {bytes + 2, -1}};
  EXPECT_EQ(p.file_note(pages), "");
  calls_.refuse = EPERM;  // nothing is interleaved
  calls_.pages = {{bytes, 1}, {bytes + 1, 1}, {bytes + 2, 1}};
  EXPECT_EQ(placed(8).file_note(pages), "");
}

// The kernel of this machine, on a thread of its own, whose policy ends with it. A container may refuse.
TEST(NodeCallsTest, TheKernelIsAsked) {
  std::thread([] {
    const auto nodes = memory_nodes();
    if (nodes.empty() || nodes[0].cpus.empty() || nodes[0].memory == 0) return;
    NodeCalls& calls = node_calls();
    if (calls.has_policy()) return;
    EXPECT_EQ(calls.bind_thread(nodes[0].cpus), 0);
    EXPECT_EQ(hardware_threads(), int(nodes[0].cpus.size()));
    EXPECT_NE(calls.bind_thread({}), 0);
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(page, MAP_FAILED);
    if (calls.bind_memory(page, 4096, nodes[0].id) == 0) {
      *static_cast<char*>(page) = 1;
      const int found = calls.node_of(static_cast<char*>(page) + 100);
      EXPECT_TRUE(found == nodes[0].id || found < 0) << found;
    }
    ::munmap(page, 4096);
    const bool interleaved = calls.interleave({nodes[0].id}) == 0;
    EXPECT_EQ(calls.has_policy(), interleaved);
  }).join();
}

TEST(NumberList, OfTheKernel) {
  EXPECT_EQ(number_list("0-2,8\n"), (Cpus{0, 1, 2, 8}));
  EXPECT_EQ(number_list("\t5"), (Cpus{5}));
  EXPECT_EQ(number_list(""), (Cpus{}));
  EXPECT_EQ(number_list("\n"), (Cpus{}));
  EXPECT_EQ(number_list("1,x"), (Cpus{1}));
  EXPECT_EQ(number_list("1-"), (Cpus{}));
  EXPECT_EQ(number_list("-1"), (Cpus{}));
  EXPECT_EQ(number_list("3-1,4"), (Cpus{4}));
  EXPECT_EQ(number_list("1,99999999999999"), (Cpus{1}));
  EXPECT_LE(number_list("0-65535,0-65535,0-65535").size(), 2u * 65536);
}

}  // namespace
}  // namespace minke
