// Numbers for people, in a few figures. Test: tests/core/human_numbers_test.cpp.
#pragma once
#include <string>

namespace minke {

std::string human_time(double seconds);  // "45 s", "14 min", "3.2 h"
std::string human_count(double count);   // "950", "12.9k", "4.2M"
std::string human_bytes(double bytes);   // "950 B", "12.9 KiB", "4.2 GiB"

}  // namespace minke
