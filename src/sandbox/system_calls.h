// The system calls that a sandboxed program may not make, as a program for the kernel's filter (seccomp). The namespaces already
// take away what most of these would reach; the filter keeps code that nobody has read away from parts of the kernel where mistakes
// are found most often, and from memory that belongs to no process and so to no limit. Test: tests/sandbox/hostile_test.cpp.
#pragma once
#include <string>

namespace minke {

// The bytes of an array of sock_filter, for bwrap --seccomp; "" on a machine that is neither x86-64 nor ARM64.
std::string system_call_filter();

}  // namespace minke
