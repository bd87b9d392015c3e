// Tasks that mostly wait for other processes. (core/threads.h is for arithmetic: its threads wait awake.)
// Test: tests/sandbox/sandbox_test.cpp.
#pragma once
#include <cstddef>
#include <functional>

namespace minke {

// Runs tasks 0 … n − 1 on up to `workers` threads, the calling one included. After the first exception no further task begins;
// it is thrown again.
void run_tasks(size_t n, int workers, const std::function<void(size_t)>& task);

}  // namespace minke
