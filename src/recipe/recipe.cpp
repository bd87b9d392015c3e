#include "recipe/recipe.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "recipe/presets.h"
#include "recipe/recipe_check.h"
#include "recipe/recipe_fields.h"
#include "recipe/recipe_parts.h"
#include "recipe/toml_text.h"
#include "spec/config_keys.h"

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
template <class T>
concept ListOfNamed = NamedEnum<typename T::value_type>;

struct Parsing {
  Recipe recipe;
  Json model = Json::object();
  Places places;
};

template <NamedEnum E> E named(const std::string& name, const std::string& key, const std::string& where) {
  const std::optional<E> value = find_named<E>(name);
  if (!value)
    user_error("{}: {} = \"{}\" is unknown: it must be \"{}\"", where, key, printable(name), names_of<E>("\" or \""));
  return *value;
}

// fields: (f) → f(key, member, meaning, range) for every field there is.
template <class Fields>
void set_field(Fields&& fields, const std::string& key, const toml::node& node, const std::string& where) {
  bool known = false;
  fields([&](const char* name, auto& member, const char* meaning, Range range) {
    if (key != name) return;
    known = true;
    const auto read_as = [&](auto& value) {
      if (!read(node, value)) user_error("{}: {} must be {} ({})", where, key, expected(value), meaning);
    };
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (NamedEnum<Member>) {
      std::string name;
      read_as(name);
      member = named<Member>(name, key, where);
    } else if constexpr (ListOfNamed<Member>) {
      std::vector<std::string> names;
      read_as(names);
      member.clear();
      for (const std::string& name : names) member.push_back(named<typename Member::value_type>(name, key, where));
    } else {
      read_as(member);
    }
    if constexpr (Number<Member>) {
      if (!(double(member) >= range.low && double(member) <= range.high))
        user_error("{}: {} = {} is out of range: it must be {} {:.9g} ({})", where, key, member,
                   double(member) < range.low ? "at least" : "at most",
                   double(member) < range.low ? range.low : range.high, meaning);
    }
  });
  if (!known) unknown_key(where, key);
}

Json to_json(const toml::node& node, const TomlSource& source, int depth = 0) {
  constexpr int kMaxDepth = 64;
  if (depth > kMaxDepth) user_error("{}: [model] is nested deeper than {} levels", source.at(node), kMaxDepth);
  if (const auto* t = node.as_table()) {
    constexpr size_t kMaxFields = 1000;  // Json finds a key by looking at all of them
    if (t->size() > kMaxFields) user_error("{}: a table of [model] has {} keys", source.at(node), t->size());
    Json j = Json::object();
    for (const auto& [k, v] : *t) j[std::string(k.str())] = to_json(v, source, depth + 1);
    return j;
  }
  if (const auto* a = node.as_array()) {
    Json j = Json::array();
    for (const auto& v : *a) j.push_back(to_json(v, source, depth + 1));
    return j;
  }
  if (const auto* s = node.as_string()) return s->get();
  if (const auto* b = node.as_boolean()) return b->get();
  if (const auto* i = node.as_integer()) return i->get();
  if (const auto* f = node.as_floating_point(); f && std::isfinite(f->get())) return f->get();
  user_error("{}: [model] has a date, nan or inf here, which config.json cannot store", source.at(node));
}

void apply_long_context(Parsing& parsing, const toml::node& node, const TomlSource& source) {
  const toml::array* phases = node.as_array();
  Recipe& r = parsing.recipe;
  r.long_context.clear();
  for (size_t i = 0; phases && i < phases->size(); ++i) {
    const toml::table* t = (*phases)[i].as_table();
    if (!t) user_error("{}: long_context must be [[long_context]] tables, one per phase", source.at(node));
    Recipe::LongContext& p = r.long_context.emplace_back();
    for (const auto& [key, value] : *t)
      set_field([&](auto&& f) { long_context_fields(p, f); }, fmt::format("long_context.{}", key.str()), value,
                source.at(value));
    for (const auto& [key, is_set] :
         {std::pair{"steps", p.steps > 0}, {"sequence_length", p.sequence_length > 0}, {"lr", p.lr > 0}})
      if (!is_set) user_error("{}: [[long_context]] phase {} lacks {}", source.at(*t), i + 1, key);
    parsing.places.set(phase_name(i), source.at(*t));
  }
  if (!phases) user_error("{}: long_context must be [[long_context]] tables, one per phase", source.at(node));
}

void apply_model(Parsing& parsing, const toml::table& model, const TomlSource& source) {
  parsing.model.update(to_json(model, source));
  for (const auto& [key, value] : model) {
    const std::string name = fmt::format("model.{}", key.str());
    if (!is_listed(config_keys(), key.str()) && !is_ignored(key.str())) unknown_key(source.at(value), name);
    parsing.places.set(name, source.at(value));
    if (!value.is_table() || (key.str() != "rope_scaling" && key.str() != "rope_parameters")) continue;
    for (const auto& [inner, inner_value] : *value.as_table())
      if (!is_listed(rope_keys(), inner.str()))
        unknown_key(source.at(inner_value), fmt::format("{}.{}", name, inner.str()));
  }
}

void apply(Parsing& parsing, const toml::table& table, const TomlSource& source) {
  for (const auto& [key, node] : table) {
    const std::string section(key.str());
    const toml::table* t = node.as_table();
    if (!t && !node.is_array_of_tables() && section != "long_context") unknown_key(source.at(node), section);
    check_section(source.at(node), section);
    if (section == "long_context") {
      apply_long_context(parsing, node, source);
    } else if (!t) {
      user_error("{}: {} must be one [{}] table", source.at(node), section, section);
    } else if (section == "model") {
      apply_model(parsing, *t, source);
    } else {
      for (const auto& [name, value] : *t) {
        const std::string full = fmt::format("{}.{}", section, name.str()), place = source.at(value);
        set_field([&](auto&& f) { recipe_fields(parsing.recipe, f); }, full, value, place);
        parsing.places.set(full, place);
      }
    }
  }
}

void apply_override(Parsing& parsing, const RecipeOverride& set) {
  const TomlSource source{"--set " + printable(set.shown)};
  const size_t equals = set.text.find('=');
  if (equals == set.text.npos || set.text.find('\n') != set.text.npos)
    user_error("{}: write it as section.key=value", source.name);
  const std::string key = set.text.substr(0, equals), value = set.text.substr(equals + 1);
  const size_t first = value.find_first_not_of(" \t");
  const bool is_bare = first == value.npos || std::string_view("[{\"'").find(value[first]) == std::string_view::npos;
  toml::table table;
  try {
    table = parse_toml(key + " = " + value, source);
  } catch (const UserError&) {
    if (!is_bare) throw;
    table = parse_toml(key + " = " + toml_of(value), source);  // a bare word is a string
  }
  if (table.contains("preset"))
    user_error("{}: a preset cannot be set with --set: write it into the recipe, or use --preset (minke pretrain)",
               source.name);
  apply(parsing, table, source);
}

}  // namespace

toml::table parse_toml(std::string_view text, const TomlSource& source) {
  // The parser bounds how deep values nest, but a key a.a.a… makes one table in another for each dot. Keys end with
  // their line.
  constexpr int kMaxDots = 1000;
  int dots = 0, most_dots = 0;
  for (char c : text) {
    dots = c == '\n' ? 0 : dots + (c == '.');
    most_dots = std::max(most_dots, dots);
  }
  if (most_dots > kMaxDots || text.size() > (size_t(4) << 20))
    user_error("{}: too large or too deeply nested for a recipe", source.name);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& e) {
    user_error("{}: not valid TOML: {}", source.at(e.source()), printable(e.description()));
  }
}

Recipe read_recipe(toml::table own, const TomlSource& file, std::string_view where,
                   const std::vector<RecipeOverride>& overrides, std::string preset, RecipeOf kind) {
  Parsing parsing{.places = Places(where)};
  std::string preset_place = "--preset";
  if (const toml::node* named = own.get("preset")) {
    if (!named->is_string()) user_error("{}: preset must be a name in quotes", file.at(*named));
    if (preset.empty()) preset = **named->as_string(), preset_place = file.at(*named);
    own.erase("preset");
  }
  if (!preset.empty()) {
    const TomlSource source{"preset " + preset};
    for (std::string_view layer : find_preset(preset, preset_place).recipes)
      apply(parsing, parse_toml(layer, source), source);
  }
  apply(parsing, own, file);
  for (const RecipeOverride& o : overrides) apply_override(parsing, o);
  Recipe& r = parsing.recipe;
  if (r.data.train.empty() &&
      (kind == RecipeOf::pretraining || kind == RecipeOf::sft || kind == RecipeOf::reward_model))
    user_error("{}: data.train is missing: give files to train on, or \"builtin:\"", where);
  if (kind == RecipeOf::pretraining && r.train.steps == 0 && r.train.minutes == 0)
    user_error("{}: give train.steps or train.minutes", where);
  r.model_json = parsing.model.dump(2);
  check_recipe(r, parsing.places);
  return std::move(r);
}

Recipe parse_recipe(std::string_view text, std::string_view where, const std::vector<std::string>& overrides,
                    std::string preset, RecipeOf kind) {
  const TomlSource file{std::string(where), true};
  std::vector<RecipeOverride> set;
  for (const std::string& o : overrides) set.push_back({o, o});
  toml::table own = parse_toml(text, file);
  if (const toml::node* stages = own.get("stage"); stages && stages->is_array_of_tables())
    user_error("{}: [[stage]] tables are a pipeline's: minke pipeline runs all of them", file.at(*stages));
  return read_recipe(std::move(own), file, where, set, std::move(preset), kind);
}

Recipe load_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                   const std::string& preset, RecipeOf kind) {
  return parse_recipe(read_file(file, size_t(4) << 20), file.string(), overrides, preset, kind);
}

}  // namespace minke
