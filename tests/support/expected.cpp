#include "support/expected.h"

#include <cmath>

#include "core/error.h"

namespace minke::testing {

bool matches(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == pattern.npos) return pattern == name;
  const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return name.size() >= head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

std::string difference(const Json& expected, const Json& value, double tolerance, bool relative,
                       const std::string& at) {
  if (expected.is_number()) {
    if (!value.is_number()) return fmt::format("{}: a number is expected, computed {}", at, value.dump());
    const double e = expected.get<double>(), x = value.get<double>();
    const double bound = relative ? tolerance * std::abs(e) : tolerance;
    if (std::abs(x - e) <= bound) return "";  // false for NaN
    return fmt::format("{}: expected {}, computed {} (tolerance {} {})", at, expected.dump(), value.dump(), tolerance,
                       relative ? "relative" : "absolute");
  }
  if (expected.is_array() || expected.is_object()) {
    if (value.type() != expected.type() || value.size() != expected.size())
      return fmt::format("{}: expected {}, computed {}", at, expected.dump(), value.dump());
    for (const auto& [key, e] : expected.items()) {
      const Json* v = nullptr;
      if (expected.is_array()) v = &value[std::stoul(key)];
      else if (value.contains(key)) v = &value.at(key);
      if (!v) return fmt::format("{}.{} is missing", at, key);
      if (std::string d = difference(e, *v, tolerance, relative, at + "." + key); !d.empty()) return d;
    }
    return "";
  }
  return expected == value ? "" : fmt::format("{}: expected {}, computed {}", at, expected.dump(), value.dump());
}

Config ExpectedCheck::model(const std::string& name) const {
  const Json& f = configs->at(name);
  const auto integer = [&](const char* key, int64_t fallback = 0) {
    return f.contains(key) ? f.at(key).get<int64_t>() : fallback;
  };
  const auto flag = [&](const char* key) { return f.contains(key) && f.at(key).get<bool>(); };
  Config c;
  c.attention = f.contains("kv_lora_rank") ? AttentionKind::mla : AttentionKind::gqa;
  c.hidden_size = integer("hidden_size");
  c.vocab_size = integer("vocab_size");
  c.num_hidden_layers = integer("num_hidden_layers");
  c.intermediate_size = integer("intermediate_size");
  c.num_attention_heads = integer("num_attention_heads");
  c.num_key_value_heads = integer("num_key_value_heads", c.num_attention_heads);
  c.head_dim = integer("head_dim");
  c.qkv_bias = flag("qkv_bias");
  c.q_lora_rank = integer("q_lora_rank");
  c.kv_lora_rank = integer("kv_lora_rank");
  c.qk_nope_head_dim = integer("qk_nope_head_dim");
  c.qk_rope_head_dim = integer("qk_rope_head_dim");
  c.v_head_dim = integer("v_head_dim");
  c.n_routed_experts = integer("n_routed_experts");
  c.n_shared_experts = integer("n_shared_experts");
  c.num_experts_per_tok = integer("num_experts_per_tok");
  c.moe_intermediate_size = integer("moe_intermediate_size");
  c.first_k_dense_replace = integer("first_k_dense_replace");
  c.gate_bias = flag("gate_bias");
  c.max_position_embeddings = 4096;
  c.num_nextn_predict_layers = inputs.contains("mtp_depth") ? inputs.at("mtp_depth").get<int64_t>() : 0;
  return c;
}

ExpectedChecks::Result ExpectedChecks::run(std::string_view json_text, std::string_view where) const {
  const Json file = parse_json(json_text, where);
  std::vector<Entry> entries = functions_;
  Result result;
  for (const Json& c : file.at("checks")) {
    ExpectedCheck check{.name = c.at("name"),
                        .inputs = c.at("inputs"),
                        .expected = c.at("expected"),
                        .tolerance = c.at("tolerance"),
                        .relative = c.at("tolerance_kind") == "rel",
                        .configs = &file.at("configs")};
    Entry* found = nullptr;
    for (Entry& e : entries)
      if (!found && matches(e.pattern, check.name)) found = &e;
    if (!found) {
      result.uncovered.push_back(check.name);
      continue;
    }
    ++found->matches;
    std::string wrong;
    try {
      wrong = difference(check.expected, found->function(check), check.tolerance, check.relative, check.name);
    } catch (const std::exception& e) {
      wrong = check.name + ": " + e.what();
    }
    if (wrong.empty()) ++result.passed;
    else result.failures.push_back(wrong);
  }
  for (const Entry& e : entries)
    if (e.matches == 0) result.idle_patterns.push_back(e.pattern);
  return result;
}

}  // namespace minke::testing
