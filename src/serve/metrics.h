// What the server counts, as Prometheus reads it (text format 0.0.4). Names: docs/serve.md. Test: tests/serve/metrics_test.cpp.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "serve/scheduler.h"

namespace minke {

// Of seconds: how many were at most so long.
class Histogram {
 public:
  void add(double seconds);
  std::string text(const std::string& name, const std::string& help) const;

 private:
  std::vector<uint64_t> counts_ = std::vector<uint64_t>(kBounds.size());
  uint64_t count_ = 0;
  double sum_ = 0;
  static const std::vector<double> kBounds;
};

// Of one thread.
struct ServerMetrics {
  std::map<std::string, uint64_t> requests;  // by how they ended: "stop", "length", "gone", "refused" …
  uint64_t prompt_tokens = 0, cached_tokens = 0, answer_tokens = 0, thought_tokens = 0;
  Histogram first_token, between_tokens, queued;

  // cost_per_hour: of the machine, in dollars; 0: it is not known.
  std::string text(const SchedulerCounts& now, size_t connections, double uptime_s, double cost_per_hour) const;
};

}  // namespace minke
