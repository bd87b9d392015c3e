#include "kernels/cpu/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace minke {

// Intel SDM vol. 2, CPUID: leaf 0 has the vendor in EBX, EDX, ECX; leaf 1 family and model in EAX, AMD's alike.
Processor this_processor() {
  Processor p;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(0, &a, &b, &c, &d)) return p;
  for (const unsigned word : {b, d, c})
    for (int byte = 0; byte < 4; ++byte) p.vendor += char(word >> 8 * byte & 0xff);
  if (!__get_cpuid(1, &a, &b, &c, &d)) return p;
  const int family = int(a >> 8 & 0xf), model = int(a >> 4 & 0xf);
  p.family = family == 15 ? family + int(a >> 20 & 0xff) : family;
  p.model = family == 6 || family == 15 ? model | int(a >> 16 & 0xf) << 4 : model;
#endif
  return p;
}

}  // namespace minke
