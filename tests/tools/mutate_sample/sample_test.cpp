#include <cstring>

#include "sample.h"

int main(int, char** arguments) {
  const std::vector<double> values{1, 2, 4, 8};
  if (!std::strcmp(arguments[1], "value")) return scaled_sum(values, {}, 100) == 3.5 ? 0 : 1;
  if (!std::strcmp(arguments[1], "bounds"))
    return scaled_sum(values, {.rate = 2, .count = 9}, 7) == 7 && scaled_sum({}, {}, 7) == 0 ? 0 : 1;
  return 1;  // a test that fails anyway is left out
}
