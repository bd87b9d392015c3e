#include "train/recipe.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "spec/config_keys.h"
#include "train/presets.h"
#include "train/recipe_check.h"
#include "train/recipe_fields.h"
#include "train/toml_parser.h"
#include "train/toml_text.h"

namespace minke {
namespace {

std::vector<std::string> keys() {
  std::vector<std::string> all;
  Recipe r;
  recipe_fields(r, [&](const char* key, auto&, const char*, Range) { all.emplace_back(key); });
  Recipe::LongContext p;
  long_context_fields(p, [&](const char* key, auto&, const char*, Range) { all.emplace_back(key); });
  for (const std::string& key : names_of(config_keys())) all.push_back("model." + key);
  for (const char* table : {"rope_scaling", "rope_parameters"})
    for (const std::string& key : names_of(rope_keys())) all.push_back(fmt::format("model.{}.{}", table, key));
  return all;
}

std::string did_you_mean(const std::string& near) {
  return near.empty() ? "" : fmt::format(" (did you mean {}?)", near);
}

// Of that name in another section (lr: train.lr), or of a similar one, or of a similar name.
std::string nearest_key(const std::string& key) {
  constexpr size_t kLongest = 200;  // the distance takes time in proportion
  if (key.size() > kLongest) return "";
  const auto name_of = [](const std::string& k) { return k.substr(k.rfind('.') + 1); };
  const std::vector<std::string> all = keys();
  std::vector<std::string> names;
  for (const std::string& k : all) names.push_back(name_of(k));
  const auto of_name = [&](const std::string& name) {
    const auto at = std::find(names.begin(), names.end(), name);
    return at == names.end() ? "" : all[size_t(at - names.begin())];
  };
  if (const std::string same = of_name(name_of(key)); !same.empty()) return same;
  if (const std::string similar = nearest(key, all); !similar.empty()) return similar;
  return of_name(nearest(name_of(key), names));
}

[[noreturn]] void unknown_key(const std::string& where, const std::string& key) {
  user_error("{}: there is no key {}{}; `minke pretrain --help-recipe` lists them", where, printable(key),
             did_you_mean(nearest_key(key)));
}

void check_section(const std::string& where, const std::string& name) {
  std::vector<std::string> sections;
  for (const std::string& key : keys()) sections.push_back(key.substr(0, key.find('.')));
  if (std::find(sections.begin(), sections.end(), name) != sections.end()) return;
  user_error("{}: there is no section {}{}; `minke pretrain --help-recipe` lists their keys", where, printable(name),
             did_you_mean(name.size() > 200 ? "" : nearest(name, sections)));
}

const char* expected(const std::string&) { return "a string"; }
const char* expected(const std::vector<std::string>&) { return "a list of strings"; }
const char* expected(const std::vector<double>&) { return "a list of numbers"; }
const char* expected(bool) { return "true or false"; }
const char* expected(double) { return "a number"; }
const char* expected(int64_t) { return "a whole number"; }
const char* expected(uint64_t) { return "a whole number"; }

bool read(const toml::node& node, std::string& to) {
  const auto v = node.value<std::string>();
  if (!node.is_string() || !v) return false;
  to = *v;
  return true;
}
bool read(const toml::node& node, std::vector<std::string>& to) {
  std::string one;
  if (read(node, one)) {
    to = {one};
    return true;
  }
  if (!node.is_array()) return false;
  to.clear();
  for (const toml::node& e : *node.as_array()) {
    if (!read(e, one)) return false;
    to.push_back(one);
  }
  return true;
}
bool read(const toml::node& node, bool& to) {
  if (!node.is_boolean()) return false;
  to = **node.as_boolean();
  return true;
}
bool read(const toml::node& node, double& to) {
  if (!node.is_number()) return false;
  to = *node.value<double>();
  return std::isfinite(to);
}
bool read(const toml::node& node, int64_t& to) {
  if (!node.is_integer()) return false;
  to = **node.as_integer();
  return true;
}
bool read(const toml::node& node, uint64_t& to) {
  int64_t v = 0;
  if (!read(node, v) || v < 0) return false;
  to = uint64_t(v);
  return true;
}

bool read(const toml::node& node, std::vector<double>& to) {
  if (!node.is_array()) return false;
  to.clear();
  for (const toml::node& e : *node.as_array())
    if (!read(e, to.emplace_back())) return false;
  return true;
}

template <class T>
concept Number = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

std::string place(std::string_view where, const toml::node& node) {
  return fmt::format("{}:{}", where, node.source().begin.line);
}

// fields: (f) → f(key, member, meaning, range) for every field there is.
template <class Fields>
void set_field(Fields&& fields, const std::string& key, const toml::node& node, const std::string& where) {
  bool known = false;
  fields([&](const char* name, auto& member, const char* meaning, Range range) {
    if (key != name) return;
    known = true;
    if (!read(node, member)) user_error("{}: {} must be {} ({})", where, key, expected(member), meaning);
    if constexpr (Number<std::remove_cvref_t<decltype(member)>>) {
      if (!(double(member) >= range.low && double(member) <= range.high))
        user_error("{}: {} = {} is out of range: it must be {} {:g} ({})", where, key, member,
                   double(member) < range.low ? "at least" : "at most",
                   double(member) < range.low ? range.low : range.high, meaning);
    }
  });
  if (!known) unknown_key(where, key);
}

Json to_json(const toml::node& node, std::string_view where, int depth = 0) {
  constexpr int kMaxDepth = 64;
  if (depth > kMaxDepth) user_error("{}: [model] is nested deeper than {} levels", place(where, node), kMaxDepth);
  if (const auto* t = node.as_table()) {
    constexpr size_t kMaxFields = 1000;  // Json finds a key by looking at all of them
    if (t->size() > kMaxFields) user_error("{}: a table of [model] has {} keys", place(where, node), t->size());
    Json j = Json::object();
    for (const auto& [k, v] : *t) j[std::string(k.str())] = to_json(v, where, depth + 1);
    return j;
  }
  if (const auto* a = node.as_array()) {
    Json j = Json::array();
    for (const auto& v : *a) j.push_back(to_json(v, where, depth + 1));
    return j;
  }
  if (const auto* s = node.as_string()) return s->get();
  if (const auto* b = node.as_boolean()) return b->get();
  if (const auto* i = node.as_integer()) return i->get();
  if (const auto* f = node.as_floating_point(); f && std::isfinite(f->get())) return f->get();
  user_error("{}: [model] has a date, nan or inf here, which config.json cannot hold", place(where, node));
}

void apply_long_context(Recipe& r, const toml::node& node, std::string_view where) {
  const toml::array* phases = node.as_array();
  r.long_context.clear();
  for (size_t i = 0; phases && i < phases->size(); ++i) {
    const toml::table* t = (*phases)[i].as_table();
    if (!t) user_error("{}: long_context must be [[long_context]] tables, one a phase", place(where, node));
    Recipe::LongContext& p = r.long_context.emplace_back();
    for (const auto& [key, value] : *t)
      set_field([&](auto&& f) { long_context_fields(p, f); }, fmt::format("long_context.{}", key.str()), value,
                place(where, value));
    for (const auto& [key, is_set] :
         {std::pair{"steps", p.steps > 0}, {"sequence_length", p.sequence_length > 0}, {"lr", p.lr > 0}})
      if (!is_set) user_error("{}: [[long_context]] phase {} lacks {}", place(where, *t), i + 1, key);
    if (p.micro_batch_size > 0 && p.batch_size % p.micro_batch_size != 0)
      user_error("{}: long_context.batch_size {} is no multiple of its micro_batch_size {}", place(where, *t),
                 p.batch_size, p.micro_batch_size);
  }
  if (!phases) user_error("{}: long_context must be [[long_context]] tables, one a phase", place(where, node));
}

void check_model_keys(const toml::table& model, std::string_view where) {
  for (const auto& [key, value] : model) {
    if (!is_listed(config_keys(), key.str()) && !is_ignored(key.str()))
      unknown_key(place(where, value), fmt::format("model.{}", key.str()));
    if (!value.is_table() || (key.str() != "rope_scaling" && key.str() != "rope_parameters")) continue;
    for (const auto& [inner, inner_value] : *value.as_table())
      if (!is_listed(rope_keys(), inner.str()))
        unknown_key(place(where, inner_value), fmt::format("model.{}.{}", key.str(), inner.str()));
  }
}

void apply(Recipe& r, Json& model, const toml::table& table, std::string_view where) {
  const auto fields = [&](auto&& f) { recipe_fields(r, f); };
  for (const auto& [key, node] : table) {
    const std::string section(key.str());
    const toml::table* t = node.as_table();
    if (!t && !node.is_array_of_tables() && section != "long_context") unknown_key(place(where, node), section);
    check_section(place(where, node), section);
    if (section == "long_context") {
      apply_long_context(r, node, where);
    } else if (!t) {
      user_error("{}: {} must be one [{}] table", place(where, node), section, section);
    } else if (section == "model") {
      model.update(to_json(node, where));
      check_model_keys(*t, where);
    } else {
      for (const auto& [name, value] : *t)
        set_field(fields, fmt::format("{}.{}", section, name.str()), value, place(where, value));
    }
  }
}

toml::table parse_toml(std::string_view text, std::string_view where) {
  // The parser bounds how deep values nest, but a key a.a.a… makes one table in another for each dot. Keys end with
  // their line.
  constexpr int kMaxDots = 1000;
  int dots = 0, most_dots = 0;
  for (char c : text) {
    dots = c == '\n' ? 0 : dots + (c == '.');
    most_dots = std::max(most_dots, dots);
  }
  if (most_dots > kMaxDots || text.size() > (size_t(4) << 20))
    user_error("{}: too large or too deeply nested for a recipe", where);
  try {
    return toml::parse(text, where);
  } catch (const toml::parse_error& e) {
    user_error("{}:{}: not valid TOML: {}", where, e.source().begin.line, printable(e.description()));
  }
}

}  // namespace

Recipe parse_recipe(std::string_view text, std::string_view where, const std::vector<std::string>& overrides,
                    std::string preset) {
  Recipe r;
  Json model = Json::object();
  toml::table own = parse_toml(text, where);
  if (const toml::node* named = own.get("preset")) {
    if (!named->is_string()) user_error("{}: preset must be a name in quotes", place(where, *named));
    if (preset.empty()) preset = **named->as_string();
    own.erase("preset");
  }
  if (!preset.empty())
    for (std::string_view layer : preset_recipes(preset)) apply(r, model, parse_toml(layer, preset), preset);
  apply(r, model, own, where);
  for (const std::string& o : overrides) {
    const size_t equals = o.find('=');
    const std::string place = "--set " + printable(o);
    if (equals == o.npos || o.find('\n') != o.npos) user_error("{}: write it as section.key=value", place);
    const std::string key = o.substr(0, equals), value = o.substr(equals + 1);
    toml::table table;
    try {
      table = parse_toml(key + " = " + value, place);
    } catch (const UserError&) {
      table = parse_toml(key + " = " + toml_of(value), place);  // a bare word is a string
    }
    apply(r, model, table, place);
  }
  if (r.data.train.empty()) user_error("{}: data.train is missing: name files to train on, or \"builtin:\"", where);
  if (r.train.steps == 0 && r.train.minutes == 0) user_error("{}: give train.steps or train.minutes", where);
  check_recipe(r, where);
  r.model_json = model.dump(2);
  return r;
}

Recipe load_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                   const std::string& preset) {
  return parse_recipe(read_file(file, size_t(4) << 20), file.string(), overrides, preset);
}

}  // namespace minke
