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

json isolated_digits() { return {{"type", "Digits"}, {"individual_digits", true}}; }

// DeepSeek LLM's letters: the cased ones of Unicode 11.
constexpr const char* kCasedLetters =
    "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370"
    "-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-"
    "\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF"
    "\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50"
    "-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC"
    "\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115"
    "\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183"
    "\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F"
    "\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400"
    "-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0"
    "-\U000118DF\U0001E900-\U0001E943";
constexpr const char* kEasternRun = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";

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
    {"deepseek_llm", next_deepseek_llm,
     [] {
       return sequence({regex_split("[\r\n]"), regex_split(fmt::format("\\s?[{}]+", kCasedLetters)),
                        regex_split("\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+"),
                        regex_split("\\s+$"), regex_split(kEasternRun), isolated_digits(), byte_level(false)});
     }},
    {"deepseek_coder", next_deepseek_coder,
     [] {
       return sequence({regex_split("[\r\n]"), regex_split("\\s?\\p{L}+"), regex_split("\\s?\\p{P}+"),
                        regex_split(kEasternRun), isolated_digits(), byte_level(false)});
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
       return sequence({isolated_digits(), byte_level(true)});
     }},
    {"single_signs", next_single_signs,
     [] {
       return sequence({regex_split(R"([\p{N}\p{P}\p{S}\r\n])"), byte_level(true)});
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

void Pretokenizer::read(const json& description, std::string_view where) {
  add(description, std::string(where), 0);
  if (!byte_level_)
    user_error(
        "{}: has no \"ByteLevel\" component. Only byte-level BPE is supported (DeepSeek, Llama-3, Qwen, GPT-2, "
        "SmolLM …).",
        where);
}

Pretokenizer::Pretokenizer(const json& description, std::string_view where, bool allow_fast) {
  read(description, where);
  static const std::vector<std::pair<std::string, const Known*>> signatures = [] {
    std::vector<std::pair<std::string, const Known*>> out;
    for (const Known& known : kKnown) {
      Pretokenizer made;
      made.read(known.make(), known.name);
      out.emplace_back(std::move(made.signature_), &known);
    }
    return out;
  }();
  for (const auto& [signature, known] : signatures) {
    if (!allow_fast || signature != signature_) continue;
    fast_ = known->fast;
    name_ = known->name;
    stages_.clear();
    return;
  }
  for (Stage& stage : stages_) {
    Split* const split = std::get_if<Split>(&stage);
    if (!split) continue;
    if (const Uncompiled* regex = std::get_if<Uncompiled>(&split->pattern))
      split->pattern = Regex(regex->pattern, regex->where);
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
      stages_.push_back(Split{Uncompiled{kGpt2Regex, where}, Behavior::kIsolated, false});
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
  if (!regex.empty()) stages_.push_back(Split{Uncompiled{regex, where + ".pattern.Regex"}, behavior, invert});
  else if (!literal.empty()) stages_.push_back(Split{literal, behavior, invert});
  else user_error("{}.pattern: has neither a \"Regex\" nor a \"String\"", where);
  signature_ += describe(regex.empty() ? "String" : "Regex", regex.empty() ? literal : regex, name, invert);
}

void Pretokenizer::split(std::string_view text, Pieces& out) const {
  out.text = text;
  out.spans.clear();
  if (text.empty()) return;
  if (fast_) {
    for (size_t at = 0; at < text.size(); at = out.spans.back().end)
      out.spans.push_back({at, fast_(unicode::tables(), text, at)});
    return;
  }
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
