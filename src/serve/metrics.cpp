#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace minke {

const std::vector<double> Histogram::kBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                             0.5,   1,      2.5,   5,    10,    25,   60,  300};

void Histogram::add(double seconds) {
  const size_t at = size_t(std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin());
  if (at < counts_.size()) ++counts_[at];
  ++count_, sum_ += seconds;
}

std::string Histogram::text(const std::string& name, const std::string& help) const {
  std::string all = fmt::format("# HELP {} {}\n# TYPE {} histogram\n", name, help, name);
  uint64_t so_far = 0;
  for (size_t i = 0; i < kBounds.size(); ++i)
    all += fmt::format("{}_bucket{{le=\"{:g}\"}} {}\n", name, kBounds[i], so_far += counts_[i]);
  return all + fmt::format("{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, count_, sum_);
}

std::string ServerMetrics::text(const SchedulerCounts& now, size_t connections, double uptime_s,
                                double cost_per_hour) const {
  std::string all;
  const auto head = [&](const char* name, const char* type, const char* help) {
    all += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
  };
  const auto one = [&](const char* name, const char* type, const char* help, auto value) {
    head(name, type, help);
    all += fmt::format("{} {}\n", name, value);
  };
  head("minke_requests_total", "counter", "Answers that have ended, by how.");
  for (const auto& [how, count] : requests) all += fmt::format("minke_requests_total{{end=\"{}\"}} {}\n", how, count);
  one("minke_requests_running", "gauge", "Answers that are computed now.", now.running);
  one("minke_requests_queued", "gauge", "Answers that wait for their turn.", now.queued);
  one("minke_connections", "gauge", "Connections of clients.", connections);
  one("minke_prompt_tokens_total", "counter", "Tokens of prompts.", prompt_tokens);
  one("minke_prompt_tokens_cached_total", "counter", "Of these, found in the cache.", cached_tokens);
  one("minke_answer_tokens_total", "counter", "Tokens of answers, thoughts included.", answer_tokens);
  one("minke_thought_tokens_total", "counter", "Of these, in thoughts.", thought_tokens);
  one("minke_engine_steps_total", "counter", "Steps of the engine.", now.steps);
  one("minke_engine_step_seconds_total", "counter", "Time in these.", now.step_seconds);
  one("minke_engine_tokens_total", "counter", "Tokens of answers that these gave.", now.tokens);
  one("minke_kv_pages", "gauge", "Pages of the KV cache.", now.engine.pages);
  one("minke_kv_pages_free", "gauge", "Of these, held by no answer (their beginnings may still be known).",
      now.engine.free_pages);
  one("minke_drafted_tokens_total", "counter", "Tokens that the MTP module drafted.", now.engine.drafted);
  one("minke_accepted_tokens_total", "counter", "Of these, the tokens that were right.", now.engine.accepted);
  const DiskCache::Counts& disk = now.engine.disk;
  one("minke_disk_cache_pages", "gauge", "Pages of the KV cache on disk.", disk.pages);
  one("minke_disk_cache_bytes", "gauge", "Their bytes.", disk.bytes);
  one("minke_disk_cache_read_total", "counter", "Pages read from the disk instead of computed.", disk.read);
  one("minke_disk_cache_written_total", "counter", "Pages written to the disk.", disk.written);
  one("minke_disk_cache_skipped_total", "counter", "Pages not written: too many waited, or the disk is full.",
      disk.skipped);
  one("minke_disk_cache_dropped_total", "counter", "Pages deleted, the longest unused first, to keep to the bound.",
      disk.dropped);
  one("minke_disk_cache_damaged_total", "counter", "Pages that were not as they had been written.", disk.damaged);
  one("minke_uptime_seconds", "gauge", "Since the server began.", uptime_s);
  all += first_token.text("minke_first_token_seconds", "From a request to its first token.");
  all += between_tokens.text("minke_between_tokens_seconds", "From a token of an answer to its next.");
  all += queued.text("minke_queued_seconds", "From a request to its turn.");
  if (cost_per_hour > 0) {
    const uint64_t tokens = prompt_tokens + answer_tokens;
    one("minke_cost_dollars_total", "counter", "What the machine has cost since the server began.",
        uptime_s / 3600 * cost_per_hour);
    one("minke_cost_per_million_tokens_dollars", "gauge", "The same, by a million tokens of prompts and answers.",
        tokens == 0 ? 0.0 : uptime_s / 3600 * cost_per_hour / double(tokens) * 1e6);
    head("minke_deepseek_price_per_million_tokens_dollars", "gauge", "What DeepSeek asked for R1 in January 2025.");
    for (const auto& [kind, price] : {std::pair("cached", 0.14), {"prompt", 0.55}, {"answer", 2.19}})
      all += fmt::format("minke_deepseek_price_per_million_tokens_dollars{{kind=\"{}\"}} {}\n", kind, price);
  }
  return all;
}

}  // namespace minke
