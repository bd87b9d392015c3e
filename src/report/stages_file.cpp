#include "report/stages_file.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"

namespace minke {
namespace {

constexpr size_t kMaxBytes = size_t(16) << 20, kMaxStages = 1000;

double number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : std::nan("");
}

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

StageRecord record_of(const Json& j, const std::string& where) {
  const auto damaged = [&](const char* key) { user_error("{}: \"{}\" of a stage is missing or damaged", where, key); };
  if (!j.is_object()) user_error("{}: a stage is no object", where);
  StageRecord s;
  for (const auto& [key, to] :
       {std::pair{"name", &s.name}, {"kind", &s.kind}, {"from", &s.from}, {"model", &s.model}}) {
    const auto found = j.find(key);
    if (found == j.end() || !found->is_string()) damaged(key);
    *to = found->get<std::string>();
  }
  s.error = text(j, "error");
  const auto state = find_named<StageState>(text(j, "state"));
  if (!state) damaged("state");
  s.state = *state;
  for (const auto& [key, to] : {std::pair{"seconds", &s.seconds}, {"started", &s.started}, {"ended", &s.ended}}) {
    *to = number(j, key);
    if (!(*to >= 0 && *to < 1e15)) damaged(key);
  }
  const auto result = j.find("result");
  if (result == j.end() || !result->is_object()) damaged("result");
  s.result = *result;
  return s;
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

}  // namespace

std::vector<StageRecord> read_stages(const std::filesystem::path& file) {
  const Json all = parse_json(read_file(file, kMaxBytes), file.string());
  if (!all.is_array() || all.size() > kMaxStages) user_error("{}: no list of stages", file.string());
  std::vector<StageRecord> stages;
  for (const Json& j : all) stages.push_back(record_of(j, file.string()));
  return stages;
}

void write_stages(const std::filesystem::path& file, const std::vector<StageRecord>& stages) {
  Json all = Json::array();
  for (const StageRecord& s : stages) {
    Json j{{"name", s.name},       {"kind", s.kind},       {"from", s.from},   {"state", name_of(s.state)},
           {"seconds", s.seconds}, {"started", s.started}, {"ended", s.ended}, {"model", s.model}};
    if (!s.error.empty()) j["error"] = s.error;
    j["result"] = s.result;
    all.push_back(std::move(j));
  }
  write_file_atomic(file, all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string result_line(const StageRecord& s) {
  if (!s.error.empty()) return s.error;
  if (const double right = number(s.result, "right"); std::isfinite(right)) {
    const double before = number(s.result, "right_before");
    return std::isfinite(before) ? fmt::format("{} right, before {}", percent(right), percent(before))
                                 : percent(right) + " right";
  }
  if (const double pairs = number(s.result, "pair_accuracy"); std::isfinite(pairs))
    return fmt::format("{} of {:.0f} pairs right, before {}", percent(pairs), number(s.result, "pairs"),
                       percent(number(s.result, "pair_accuracy_before")));
  if (const double nats = number(s.result, "nats"); std::isfinite(nats))
    return fmt::format("{:.4f} nats per token, held out", nats);
  if (const auto sampled = s.result.find("sampled"); sampled != s.result.end() && sampled->is_object()) {
    const auto count = [&](const char* key) { return number(*sampled, key); };
    return fmt::format("{:.0f} of {:.0f} answers kept, for {:.0f} of {:.0f} questions", count("kept"), count("drawn"),
                       count("questions_kept"), count("questions"));
  }
  std::string line;
  bool has_answers = false;
  const auto results = s.result.find("results");
  if (results == s.result.end() || !results->is_array()) return line;
  for (const Json& r : *results) {
    if (!r.is_object()) continue;
    const double level = number(r, "level"), right = number(r, "pass@1"), bits = number(r, "bits_per_byte");
    const std::string task = text(r, "task") + (level > 0 ? fmt::format(":{:.0f}", level) : "");
    const auto add = [&](const std::string& figure) {
      line += fmt::format("{}{} {}", line.empty() ? "" : ", ", task, figure);
    };
    if (std::isfinite(right)) add(percent(right)), has_answers = true;
    else if (std::isfinite(bits)) add(fmt::format("{:.3f} bits per byte", bits));
  }
  return has_answers ? "pass@1: " + line : line;
}

}  // namespace minke
