#include "tokenize/pretokenizer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {
namespace {

using nlohmann::json;

constexpr const char* kGpt2Regex = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kAnyCharacter = R"([\s\S])";

json regex_split(std::string_view regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}
json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}
json sequence(json parts) { return {{"type", "Sequence"}, {"pretokenizers", std::move(parts)}}; }
std::string llama3_regex(std::string_view digits) {
  return fmt::format(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|)"
                     R"(\s*[\r\n]+|\s+(?!\S)|\s+)",
                     digits);
}

struct Known {
  std::string_view name;
  NextPiece fast;
  json (*make)();
};
const Known kKnown[] = {
    {"deepseek_v3", next_deepseek_v3,
     [] {
       return sequence({regex_split(R"(\p{N}{1,3})"), regex_split("[一-龥\u3040-ゟ゠-ヿ]+"),
                        regex_split("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?"
                                    "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"),
                        byte_level(false)});
     }},
    {"llama3", next_llama3,
     [] {
       return sequence({regex_split(llama3_regex(R"(\p{N}{1,3})")), byte_level(false)});
     }},
    {"qwen2", next_qwen2,
     [] {
       return sequence({regex_split(llama3_regex(R"(\p{N})")), byte_level(false)});
     }},
    {"gpt2", next_gpt2, [] { return byte_level(true); }},
    {"smollm", next_smollm,
     [] {
       return sequence({{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)});
     }},
    {"characters", next_character,
     [] {
       return sequence({regex_split(kAnyCharacter), byte_level(false)});
     }},
};

// The field of a JSON object with a default, or a UserError that names the field and the type it should have.
template <class T> T field(const json& object, const char* key, T otherwise, std::string_view where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return otherwise;
  if constexpr (std::is_same_v<T, bool>) {
    if (!found->is_boolean()) user_error("{}.{}: must be true or false, is {}", where, key, found->type_name());
  } else {
    if (!found->is_string()) user_error("{}.{}: must be a string, is {}", where, key, found->type_name());
  }
  return found->template get<T>();
}

std::string describe(std::string_view kind, std::string_view pattern, std::string_view behavior, bool invert) {
  return fmt::format("{}\x1f{}\x1f{}\x1f{}\x1e", kind, pattern, behavior, invert);
}

}  // namespace

json pretokenizer_json(std::string_view name) {
  for (const Known& known : kKnown)
    if (known.name == name) return known.make();
  user_error("There is no pre-tokenizer \"{}\". Use one of: {}.", name, fmt::join(pretokenizer_names(), ", "));
}

std::vector<std::string_view> pretokenizer_names() {
  std::vector<std::string_view> names;
  for (const Known& known : kKnown) names.push_back(known.name);
  return names;
}

Pretokenizer::Pretokenizer(const json& description, std::string_view where, bool allow_fast) {
  add(description, std::string(where), 0);
  if (!byte_level_)
    user_error(
        "{}: has no \"ByteLevel\" component. Only byte-level BPE is supported (DeepSeek, Llama-3, Qwen, GPT-2, "
        "SmolLM …).",
        where);
  if (!allow_fast) return;
  static const std::vector<std::pair<std::string, const Known*>> signatures = [] {
    std::vector<std::pair<std::string, const Known*>> out;
    for (const Known& known : kKnown)
      out.emplace_back(Pretokenizer(known.make(), known.name, false).signature_, &known);
    return out;
  }();
  for (const auto& [signature, known] : signatures) {
    if (signature != signature_) continue;
    fast_ = known->fast;
    name_ = known->name;
  }
}

void Pretokenizer::add(const json& description, const std::string& where, int depth) {
  if (!description.is_object()) user_error("{}: must be an object, is {}", where, description.type_name());
  if (depth > 8) user_error("{}: sequences are nested deeper than 8 levels", where);
  const std::string type = field<std::string>(description, "type", "", where);
  if (type == "Sequence") {
    const auto parts = description.find("pretokenizers");
    if (parts == description.end() || !parts->is_array()) user_error("{}.pretokenizers: must be a list", where);
    for (size_t i = 0; i < parts->size(); ++i)
      add((*parts)[i], fmt::format("{}.pretokenizers[{}]", where, i), depth + 1);
    return;
  }
  if (stages_.size() >= 64) user_error("{}: is one of more than 64 components", where);
  if (byte_level_) user_error("{}: \"{}\" comes after ByteLevel, which must be the last component", where, type);
  name_ += (name_.empty() ? "" : ", ") + type;
  if (type == "Split") {
    add_split(description, where);
  } else if (type == "Digits") {
    const bool individual = field(description, "individual_digits", false, where);
    stages_.push_back(Split{Digits{}, individual ? Behavior::kIsolated : Behavior::kContiguous, false});
    signature_ += describe("Digits", "", individual ? "Isolated" : "Contiguous", false);
  } else if (type == "ByteLevel") {
    byte_level_ = true;
    if (field(description, "add_prefix_space", true, where)) {
      stages_.push_back(PrefixSpace{});
      signature_ += describe("PrefixSpace", "", "", false);
    }
    if (field(description, "use_regex", true, where)) {
      stages_.push_back(Split{Regex(kGpt2Regex, where), Behavior::kIsolated, false});
      signature_ += describe("Regex", kGpt2Regex, "Isolated", false);
    }
  } else {
    user_error("{}.type: \"{}\" is not supported; known are Split, Digits, ByteLevel and Sequence", where, type);
  }
}

void Pretokenizer::add_split(const json& description, const std::string& where) {
  const std::string name = field<std::string>(description, "behavior", "", where);
  const bool invert = field(description, "invert", false, where);
  Behavior behavior;
  if (name == "Removed") behavior = Behavior::kRemoved;
  else if (name == "Isolated") behavior = Behavior::kIsolated;
  else if (name == "MergedWithPrevious") behavior = Behavior::kMergedWithPrevious;
  else if (name == "MergedWithNext") behavior = Behavior::kMergedWithNext;
  else if (name == "Contiguous") behavior = Behavior::kContiguous;
  else
    user_error(
        "{}.behavior: \"{}\" is unknown; use Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous",
        where, name);
  const auto pattern = description.find("pattern");
  if (pattern == description.end() || !pattern->is_object())
    user_error("{}.pattern: must be an object with \"Regex\" or \"String\"", where);
  const std::string regex = field<std::string>(*pattern, "Regex", "", where + ".pattern");
  const std::string literal = field<std::string>(*pattern, "String", "", where + ".pattern");
  if (!regex.empty()) stages_.push_back(Split{Regex(regex, where + ".pattern.Regex"), behavior, invert});
  else if (!literal.empty()) stages_.push_back(Split{literal, behavior, invert});
  else user_error("{}.pattern: has neither a \"Regex\" nor a \"String\"", where);
  signature_ += describe(regex.empty() ? "String" : "Regex", regex.empty() ? literal : regex, name, invert);
}

void Pretokenizer::split(std::string_view text, Pieces& out) const {
  out.text = text;
  out.spans.clear();
  if (text.empty()) return;
  out.spans.push_back({0, text.size()});
  for (const Stage& stage : stages_) {
    out.next.clear();
    std::visit([&](const auto& s) { apply(s, out); }, stage);
    std::swap(out.spans, out.next);
  }
}

void Pretokenizer::apply(PrefixSpace, Pieces& pieces) {
  std::string with_spaces;
  for (const Match& span : pieces.spans) {
    const size_t first = with_spaces.size();
    if (pieces.text[span.first] != ' ') with_spaces += ' ';
    with_spaces += pieces.text.substr(span.first, span.end - span.first);
    pieces.next.push_back({first, with_spaces.size()});
  }
  pieces.rewritten = std::move(with_spaces);
  pieces.text = pieces.rewritten;
}

void Pretokenizer::apply(const Split& stage, Pieces& pieces) {
  struct Part {
    size_t first, end;
    bool match;
  };
  std::vector<Part> parts;
  const unicode::Tables& tables = unicode::tables();
  for (const Match& span : pieces.spans) {
    const std::string_view piece = pieces.text.substr(span.first, span.end - span.first);
    if (const Regex* regex = std::get_if<Regex>(&stage.pattern)) {
      regex->find_all(piece, pieces.matches);
    } else if (const std::string* literal = std::get_if<std::string>(&stage.pattern)) {
      pieces.matches.clear();
      for (size_t at = piece.find(*literal); at != piece.npos; at = piece.find(*literal, at + literal->size()))
        pieces.matches.push_back({at, at + literal->size()});
    } else {
      pieces.matches.clear();
      for (size_t at = 0; at < piece.size();) {
        const unicode::CodePoint c = unicode::decode_at(piece, at);
        if (tables.class_of(c.value) & unicode::kNumber) pieces.matches.push_back({at, at + c.length});
        at += c.length;
      }
    }
    parts.clear();
    size_t end = 0;
    for (const Match& m : pieces.matches) {
      if (m.first > end) parts.push_back({end, m.first, stage.invert});
      if (m.end > m.first) parts.push_back({m.first, m.end, !stage.invert});
      end = m.end;
    }
    if (end < piece.size()) parts.push_back({end, piece.size(), stage.invert});

    const auto emit = [&](const Part& p) { pieces.next.push_back({span.first + p.first, span.first + p.end}); };
    const auto extend = [&](const Part& p) { pieces.next.back().end = span.first + p.end; };
    for (size_t i = 0; i < parts.size(); ++i) {
      switch (stage.behavior) {
        case Behavior::kRemoved:
          if (!parts[i].match) emit(parts[i]);
          break;
        case Behavior::kIsolated: emit(parts[i]); break;
        case Behavior::kContiguous:
          i > 0 && parts[i].match == parts[i - 1].match ? extend(parts[i]) : emit(parts[i]);
          break;
        case Behavior::kMergedWithPrevious:
          i > 0 && parts[i].match && !parts[i - 1].match ? extend(parts[i]) : emit(parts[i]);
          break;
        case Behavior::kMergedWithNext:
          i > 0 && !parts[i].match && parts[i - 1].match ? extend(parts[i]) : emit(parts[i]);
          break;
      }
    }
  }
}

}  // namespace minke
