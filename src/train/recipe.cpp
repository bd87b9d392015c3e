#include "train/recipe.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/files.h"
#include "train/presets.h"
#include "train/recipe_fields.h"
#include "train/toml_parser.h"

namespace minke {
namespace {

std::vector<std::string> keys() {
  std::vector<std::string> all;
  Recipe r;
  recipe_fields(r, [&](const char* key, auto&, const char*, Range) { all.emplace_back(key); });
  Recipe::LongContext p;
  long_context_fields(p, [&](const char* key, auto&, const char*, Range) { all.emplace_back(key); });
  return all;
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
  if (known) return;
  const std::string near = nearest(key, keys());
  user_error("{}: there is no key {}{}; `minke pretrain --help-recipe` lists them", where, printable(key),
             near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
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

// A TOML string. What comes from the command line may not be UTF-8; DEL is the one character that JSON leaves bare.
std::string quoted(const std::string& text) {
  std::string s = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t at = 0; (at = s.find('\x7f', at)) != s.npos;) s.replace(at, 1, "\\u007f");
  return s;
}

std::string toml_key(const std::string& key) {
  const bool bare = !key.empty() && key.find_first_not_of(
                                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-") == key.npos;
  return bare ? key : quoted(key);
}

// TOML for a config.json value: an object becomes an inline table.
std::string toml_of(const Json& j) {
  if (j.is_object()) {
    std::string s = "{";
    for (const auto& [k, v] : j.items()) s += (s.size() > 1 ? ", " : " ") + toml_key(k) + " = " + toml_of(v);
    return s + " }";
  }
  if (j.is_array()) {
    std::string s = "[";
    for (const Json& v : j) s += (s.size() > 1 ? ", " : "") + toml_of(v);
    return s + "]";
  }
  if (j.is_string()) return quoted(j.get_ref<const std::string&>());
  if (j.is_number_float()) {
    std::string s = fmt::format("{}", j.get<double>());
    return s.find_first_of(".eni") == s.npos ? s + ".0" : s;
  }
  return j.dump();
}
std::string toml_of(const std::string& v) { return quoted(v); }
std::string toml_of(const std::vector<std::string>& v) { return toml_of(Json(v)); }
std::string toml_of(const std::vector<double>& v) { return Json(v).dump(); }
std::string toml_of(bool v) { return v ? "true" : "false"; }
std::string toml_of(double v) { return toml_of(Json(v)); }
std::string toml_of(int64_t v) { return std::to_string(v); }
std::string toml_of(uint64_t v) { return std::to_string(v); }

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

void apply(Recipe& r, Json& model, const toml::table& table, std::string_view where) {
  const auto fields = [&](auto&& f) { recipe_fields(r, f); };
  for (const auto& [section, node] : table) {
    const toml::table* t = node.as_table();
    if (section.str() == "long_context") apply_long_context(r, node, where);
    else if (!t) set_field(fields, std::string(section.str()), node, place(where, node));  // no top-level keys: says so
    else if (section.str() == "model") model.update(to_json(node, where));
    else
      for (const auto& [key, value] : *t)
        set_field(fields, fmt::format("{}.{}", section.str(), key.str()), value, place(where, value));
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

void check_choices(const Recipe& r, std::string_view where) {
  const auto one_of = [&](const char* key, const std::string& value, std::initializer_list<const char*> allowed) {
    std::string list;
    for (const char* a : allowed) {
      if (value == a) return;
      list += list.empty() ? fmt::format("\"{}\"", a) : fmt::format(" or \"{}\"", a);
    }
    user_error("{}: {} = \"{}\" is unknown: it must be {}", where, key, value, list);
  };
  one_of("tokenizer.kind", r.tokenizer.kind, {"bpe", "characters"});
  one_of("data.documents", r.data.documents, {"file", "blank-lines"});
  one_of("data.held_out", r.data.held_out, {"documents", "tail"});
  one_of("train.precision", r.train.precision, {"bf16", "f32"});
  one_of("train.moments", r.train.moments, {"f32", "bf16"});
  for (const std::string& part : r.train.recompute) one_of("train.recompute", part, {"attention", "ffn"});
  if (r.train.batch_start > r.train.batch_size)
    user_error("{}: train.batch_start {} is more than train.batch_size {}", where, r.train.batch_start,
               r.train.batch_size);
  int64_t length = r.train.sequence_length;
  for (const Recipe::LongContext& p : r.long_context) {
    if (p.sequence_length < length)
      user_error("{}: long_context.sequence_length {} is less than the {} of the phase before", where,
                 p.sequence_length, length);
    length = p.sequence_length;
  }
  one_of("balance.loss", r.balance.loss, {"sequence", "batch", "expert", "none"});
  const auto& b = r.balance;
  if (b.loss != "expert" && (b.device_alpha > 0 || b.comm_alpha > 0))
    user_error("{}: balance.device_alpha {} and balance.comm_alpha {} go with balance.loss = \"expert\", not \"{}\"",
               where, b.device_alpha, b.comm_alpha, b.loss);
  if (b.top_devices > b.devices)
    user_error("{}: balance.top_devices {} is more than balance.devices {}", where, b.top_devices, b.devices);
  one_of("data.packing", r.data.packing, {"concatenate", "best-fit"});
  if (!r.data.weights.empty() && r.data.weights.size() != r.data.train.size())
    user_error("{}: data.weights has {} numbers for the {} sources of data.train: give one for each", where,
               r.data.weights.size(), r.data.train.size());
  for (double weight : r.data.weights)
    if (!(weight > 0)) user_error("{}: data.weights has {}: each weight must be above 0", where, weight);
  if (r.train.micro_batch_size > 0 && r.train.batch_size % r.train.micro_batch_size != 0)
    user_error("{}: train.batch_size {} is no multiple of train.micro_batch_size {}", where, r.train.batch_size,
               r.train.micro_batch_size);
  constexpr int64_t kMaxTokens = 1 << 24;  // far beyond any memory, and products with sizes of a model fit 64 bits
  const int64_t micro = r.train.micro_batch_size > 0 ? r.train.micro_batch_size : r.train.batch_size;
  if (micro * r.train.sequence_length > kMaxTokens)
    user_error("{}: train.sequence_length {} × {} sequences at once are more than {} tokens: lower {}", where,
               r.train.sequence_length, micro, kMaxTokens,
               r.train.micro_batch_size > 0 ? "train.micro_batch_size" : "train.batch_size");
  if (r.train.decay_end < r.train.decay_begin)
    user_error("{}: train.decay_end {} lies before train.decay_begin {}", where, r.train.decay_end,
               r.train.decay_begin);
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
      table = parse_toml(key + " = " + quoted(value), place);  // a bare word is a string
    }
    apply(r, model, table, place);
  }
  if (r.data.train.empty()) user_error("{}: data.train is missing: name files to train on, or \"builtin:\"", where);
  if (r.train.steps == 0 && r.train.minutes == 0) user_error("{}: give train.steps or train.minutes", where);
  check_choices(r, where);
  r.model_json = model.dump(2);
  return r;
}

Recipe load_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                   const std::string& preset) {
  return parse_recipe(read_file(file, size_t(4) << 20), file.string(), overrides, preset);
}

std::string recipe_to_toml(const Recipe& r) {
  std::string text, section;
  recipe_fields(r, [&](std::string_view key, const auto& member, const char*, Range) {
    const size_t dot = key.find('.');
    if (key.substr(0, dot) != section)
      text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section = key.substr(0, dot));
    text += fmt::format("{} = {}\n", key.substr(dot + 1), toml_of(member));
  });
  for (const Recipe::LongContext& p : r.long_context) {
    text += "\n[[long_context]]\n";
    long_context_fields(p, [&](std::string_view key, const auto& member, const char*, Range) {
      text += fmt::format("{} = {}\n", key.substr(key.find('.') + 1), toml_of(member));
    });
  }
  text += "\n[model]\n";
  const Json model = Json::parse(r.model_json.empty() ? "{}" : r.model_json);
  for (const auto& [k, v] : model.items()) text += toml_key(k) + " = " + toml_of(v) + "\n";
  return text;
}

std::string recipe_help() {
  std::string text = fmt::format("  {:<26} {:<12} {}\n", "preset", "", "what the recipe begins with, or --preset:");
  for (const Preset& p : presets()) text += fmt::format("  {:<39} {:<8} {}\n", "", p.name, p.what);
  const Recipe defaults;
  recipe_fields(defaults, [&](const char* key, const auto& member, const char* meaning, Range) {
    text += fmt::format("  {:<26} {:<12} {}\n", key, toml_of(member), meaning);
  });
  text += "  [[long_context]]                        phases after [train], each with:\n";
  const Recipe::LongContext phase;
  long_context_fields(phase, [&](const char* key, const auto& member, const char* meaning, Range) {
    text += fmt::format("  {:<26} {:<12} {}\n", key, toml_of(member), meaning);
  });
  return text +
         "  model.*                                 the fields of config.json (hidden_size, num_hidden_layers, …)\n";
}

Recompute recompute(const Recipe& r) {
  Recompute what;
  for (const std::string& part : r.train.recompute) (part == "attention" ? what.attention : what.ffn) = true;
  return what;
}

void check_balance(const Recipe& r, const Config& c) {
  if (c.n_routed_experts % r.balance.devices != 0)
    user_error("recipe: balance.devices {} cannot share out n_routed_experts {} evenly; use a divisor of {}",
               r.balance.devices, c.n_routed_experts, c.n_routed_experts);
}

}  // namespace minke
