// The command line of bwrap for one job: what the job sees and what it may use. Test: tests/sandbox/hostile_test.cpp.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "sandbox/sandbox.h"

namespace minke {

constexpr const char* kSandboxDisk = "/tmp";        // the folder of limits.disk_bytes
constexpr const char* kSandboxFolder = "/tmp/job";  // the working folder, with the files of the job

// UserError unless the files and the command can be handed on.
void check_job(const SandboxJob& job);

struct BubblewrapInputs {
  int filter = -1;         // of system calls
  std::vector<int> files;  // contents of job.files
};
// A checked job's command. The first process in the sandbox, a shell, writes a byte to descriptor 3 when all is set up and waits for
// a line from descriptor 4; then it starts the job's command within its limits, and waits for it. (Until then, who has started it may
// have died without the kernel ending what bwrap was just setting up; descriptor 4 then ends without a line.)
std::vector<std::string> bubblewrap_command(const std::string& bubblewrap, const SandboxJob& job,
                                            const BubblewrapInputs& inputs);

}  // namespace minke
