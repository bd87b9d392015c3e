// Standard output as a file like any other: an error while writing to it is a UserError, not silence. A reader that has
// gone away is none: the program ends as others in a pipe do. Test: tests/app/output_test.sh.
#pragma once
#include <string_view>

#include "core/files.h"

namespace minke {

// At the start of the program: where a standard stream is closed, the next file opened would take its number, and get
// what is printed.
void reserve_standard_streams();

void print_out(std::string_view text);
// A line for people on standard error. Where that cannot be written to, nobody reads it, and the work goes on.
void print_note(std::string_view line);
// What printf and others have left in the buffer goes out, or, like what failed before, is a UserError.
void flush_out();

// True if `path` names what standard output is, by whatever name: /dev/stdout, /proc/self/fd/1, a link to these.
bool is_standard_output(const fs::path& path);

}  // namespace minke
