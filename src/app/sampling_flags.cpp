#include "app/sampling_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

namespace minke {

void SamplingFlags::add(CLI::App& verb, const SamplingSettings& usual) {
  const auto add = [&](const char* flag, auto& to, auto value, const char* description) {
    verb.add_option(flag, to, description)->default_str(fmt::format("{}", value));
  };
  add("--temp", temperature_, usual.temperature, "Temperature; 0 = always the most likely token");
  add("--top-k", top_k_, usual.top_k, "Only the k most likely tokens; 0 = all");
  add("--top-p", top_p_, usual.top_p, "Only the most likely tokens that together reach this probability");
  add("--min-p", min_p_, usual.min_p, "Only tokens with at least this share of the largest probability");
  add("--repeat-penalty", repetition_penalty_, usual.repetition_penalty,
      "Above 1: tokens of prompt and answer become less likely");
  add("--presence-penalty", presence_penalty_, usual.presence_penalty,
      "Taken from the logit of a token that the answer has");
  add("--frequency-penalty", frequency_penalty_, usual.frequency_penalty,
      "Taken from the logit of a token as often as the answer has it");
}

SamplingSettings SamplingFlags::over(SamplingSettings s) const {
  s.temperature = temperature_.value_or(s.temperature);
  s.top_k = top_k_.value_or(s.top_k);
  s.top_p = top_p_.value_or(s.top_p);
  s.min_p = min_p_.value_or(s.min_p);
  s.repetition_penalty = repetition_penalty_.value_or(s.repetition_penalty);
  s.presence_penalty = presence_penalty_.value_or(s.presence_penalty);
  s.frequency_penalty = frequency_penalty_.value_or(s.frequency_penalty);
  return s;
}

}  // namespace minke
