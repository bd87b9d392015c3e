// A target with one fault, which the fuzzing driver must find from the seed "MINK 0" (planted_fault.sh).
#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 4 && data[0] == 'M' && data[1] == 'I' && data[2] == 'N' && data[3] == 'G') std::abort();
  return 0;
}
