#include "report/run_log.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"

namespace minke {
namespace {

// Bounds on what a hostile log can make us hold beside its own size.
constexpr size_t kMaxLine = size_t(4) << 20, kMaxSeries = 2048, kMaxSamples = 2000;
constexpr double kMaxStep = 1e15;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double number_or(const Json& object, const char* key, double otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : otherwise;
}

std::string string_or_empty(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

class Reader {
 public:
  RunLog run;

  void line(const Json& j) {
    const double step = number_or(j, "step", kNan);
    if (!(step >= 0 && step <= kMaxStep)) {
      ++run.unreadable_lines;
      return;
    }
    rewind(step);
    if (const auto start = j.find("run"); start != j.end() && start->is_object()) return facts(*start);
    if (j.contains("sample")) return sample(j, step);
    row(j, step);
    if (const auto load = j.find("load"); load != j.end() && load->is_object()) return snapshot(*load);
    values(j);
    if (j.contains("skipped")) ++run.skipped_steps;
    if (const auto last = j.find("final"); last != j.end()) run.finished = *last == true;
  }

 private:
  // Drops what was logged after `step`: the run was resumed before it.
  void rewind(double step) {
    if (run.step.empty() || run.step.back() <= step) return;
    while (!run.step.empty() && run.step.back() > step) {
      run.step.pop_back();
      run.tokens.pop_back();
      run.minutes.pop_back();
    }
    const size_t rows = run.step.size();
    for (auto& [key, s] : run.series)
      while (!s.row.empty() && s.row.back() >= rows) s.row.pop_back(), s.value.pop_back();
    while (!run.loads.empty() && run.loads.back().row >= rows) run.loads.pop_back();
    while (!run.samples.empty() && double(run.samples.back().step) > step) run.samples.pop_back();
    run.finished = false;
  }

  void facts(const Json& start) {
    run.machine = string_or_empty(start, "machine");
    run.model_type = string_or_empty(start, "model_type");
    run.parameters = number_or(start, "parameters", 0);
    run.active_parameters = number_or(start, "active_parameters", 0);
    run.planned_steps = int64_t(std::clamp(number_or(start, "steps", 0), 0.0, kMaxStep));
    if (run.started == 0) run.started = number_or(start, "unix_time", 0);
  }

  void sample(const Json& j, double step) {
    if (run.samples.size() == kMaxSamples) run.samples.erase(run.samples.begin() + kMaxSamples / 2);
    Sample s{int64_t(step), string_or_empty(j, "prompt"), string_or_empty(j, "sample")};
    if (const double problem = number_or(j, "problem", -1); problem >= 0 && problem < kMaxStep)
      s.problem = int64_t(problem);
    if (const auto right = j.find("right"); right != j.end()) s.right = *right == true;
    run.samples.push_back(std::move(s));
  }

  void row(const Json& j, double step) {
    if (run.step.empty() || run.step.back() < step) {
      run.step.push_back(step);
      run.tokens.push_back(run.tokens.empty() ? 0 : run.tokens.back());
      run.minutes.push_back(run.minutes.empty() ? 0 : run.minutes.back());
    }
    const double tokens = number_or(j, "tokens", 0), seconds = number_or(j, "seconds", 0);
    if (tokens > 0) run.tokens.back() += tokens;
    run.minutes.back() = std::max(run.minutes.back(), number_or(j, "train_seconds", 0) / 60);
    if (tokens > 0 && seconds > 0) add("tokens_per_second", tokens / seconds);
  }

  void add(const std::string& key, double value) {
    auto found = run.series.find(key);
    if (found == run.series.end()) {
      if (run.series.size() == kMaxSeries) return;
      found = run.series.emplace(key, Series()).first;
    }
    Series& s = found->second;
    const uint32_t row = uint32_t(run.step.size() - 1);
    if (!s.row.empty() && s.row.back() == row) s.row.pop_back(), s.value.pop_back();  // said again: the later counts
    s.row.push_back(row);
    s.value.push_back(std::isfinite(value) ? value : kNan);
  }

  void add(const std::string& key, const Json& value) {
    if (value.is_number()) add(key, value.get<double>());
    if (value.is_null()) add(key, kNan);  // how JSON spells NaN
  }

  void values(const Json& j) {
    static const std::vector<std::string> not_curves{"step",        "tokens",    "seconds", "train_seconds",
                                                     "eval_tokens", "unix_time", "epochs"};
    for (const auto& [key, value] : j.items()) {
      if (std::find(not_curves.begin(), not_curves.end(), key) != not_curves.end()) continue;
      if (value.is_array()) {
        for (size_t i = 0; i < value.size() && i < 64; ++i) add(key + "." + std::to_string(i + 1), value[i]);
      } else if (value.is_object()) {
        for (const auto& [name, member] : value.items()) add(key + "." + name, member);
      } else {
        add(key, value);
      }
    }
    if (const auto vio = j.find("max_vio"); vio != j.end() && vio->is_object()) over_layers(*vio);
  }

  void over_layers(const Json& max_vio) {
    double sum = 0, worst = 0;
    int layers = 0;
    for (const auto& [layer, v] : max_vio.items())
      if (v.is_number()) ++layers, sum += v.get<double>(), worst = std::max(worst, v.get<double>());
    if (layers == 0) return;
    add("max_vio_mean", sum / layers);
    add("max_vio_worst", worst);
  }

  void snapshot(const Json& load) {
    LoadSnapshot s{.row = uint32_t(run.step.size() - 1)};
    for (const auto& [key, counts] : load.items()) {
      if (!counts.is_array() || key.empty() || key.size() > 6 || key.find_first_not_of("0123456789") != key.npos)
        continue;
      std::vector<double>& tokens = s.tokens[std::stoi(key)];
      for (const Json& n : counts) tokens.push_back(n.is_number() ? n.get<double>() : 0);
    }
    run.loads.push_back(std::move(s));
  }
};

}  // namespace

const Series* RunLog::find(std::string_view key) const {
  const auto found = series.find(std::string(key));
  return found == series.end() || found->second.row.empty() ? nullptr : &found->second;
}

double RunLog::last(std::string_view key) const {
  const Series* s = find(key);
  return s ? s->value.back() : kNan;
}

RunLog parse_run_log(std::string_view jsonl) {
  Reader reader;
  for (size_t begin = 0; begin < jsonl.size();) {
    const size_t end = std::min(jsonl.find('\n', begin), jsonl.size());
    const std::string_view text = jsonl.substr(begin, end - begin);
    begin = end + 1;
    if (text.find_first_not_of(" \t\r") == text.npos) continue;
    try {
      if (text.size() > kMaxLine) throw UserError("too long");
      const Json j = parse_json(text, "log.jsonl");
      if (!j.is_object()) throw UserError("no object");
      reader.line(j);
    } catch (const UserError&) {
      ++reader.run.unreadable_lines;
    }
  }
  return std::move(reader.run);
}

std::map<std::string, std::string> parse_recipe_keys(std::string_view toml) {
  const auto trimmed = [](std::string_view s) {
    const size_t begin = s.find_first_not_of(" \t\r"), end = s.find_last_not_of(" \t\r");
    return begin == s.npos ? std::string() : std::string(s.substr(begin, end - begin + 1));
  };
  std::map<std::string, std::string> keys;
  std::string section;
  for (size_t begin = 0; begin < toml.size();) {
    const size_t end = std::min(toml.find('\n', begin), toml.size());
    const std::string line = trimmed(toml.substr(begin, end - begin));
    begin = end + 1;
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[' && line.back() == ']') {
      section = line.substr(1, line.size() - 2) + ".";
    } else if (const size_t equals = line.find('='); equals != line.npos) {
      keys[section + trimmed(std::string_view(line).substr(0, equals))] =
          trimmed(std::string_view(line).substr(equals + 1));
    }
  }
  return keys;
}

RunLog read_run(const std::filesystem::path& folder) {
  const fs::path log = folder / "log.jsonl";
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    user_error("{}: no such folder; give the folder of a run (the --out of minke pretrain)", folder.string());
  if (!fs::is_regular_file(log, ignored))
    user_error("{} is not a run: it has no log.jsonl; give the folder of a run (the --out of minke pretrain)",
               folder.string());
  const MappedFile file(log);
  RunLog run = parse_run_log(file.text());
  if (run.step.empty())
    user_error("{}: no step has been logged yet{}", log.string(),
               run.unreadable_lines ? fmt::format(" ({} lines cannot be read)", run.unreadable_lines) : "");
  fs::path path = fs::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  run.name = path.filename().string();
  if (fs::is_regular_file(folder / "recipe.toml", ignored)) {
    run.recipe = read_file(folder / "recipe.toml", size_t(1) << 20);
    run.recipe_keys = parse_recipe_keys(run.recipe);
  }
  return run;
}

}  // namespace minke
