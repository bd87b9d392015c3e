#include "data/pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "corpus/chat_source.h"
#include "data/json_lines.h"
#include "data/source_files.h"

namespace minke {
namespace {

constexpr uint64_t kShardTokens = uint64_t(1) << 26;

std::vector<int32_t> encode_text(const ConversationEncoder& encoder, Json messages, const Json& line, const char* key,
                                 std::string_view where) {
  const auto answer = line.find(key);
  if (answer == line.end() || !answer->is_string())
    user_error("{}: a pair has \"prompt\", \"chosen\" and \"rejected\": \"{}\" must be the text of an answer", where,
               key);
  if (answer->get<std::string>().find_first_not_of(" \t\r\n") == std::string::npos)
    user_error("{}: \"{}\" is an answer without text: leave the pair out", where, key);
  for (Json& m : messages)
    if (m.is_object()) m["weight"] = 0;  // only the answer is one
  messages.push_back({{"role", "assistant"}, {"content", *answer}});
  return encoder.encode({{"messages", std::move(messages)}}, fmt::format("{}: \"{}\"", where, key)).back().tokens;
}

// train-00000.bin, or heldout-….
class PairWriter {
 public:
  PairWriter(const fs::path& folder, std::string name, const PairOptions& o)
      : folder_(folder), name_(std::move(name)), texts_(o.tokenizer_hash, o.vocab_size) {}
  void add(const PreferencePair& pair, uint64_t text_bytes) {
    texts_.add(pair.chosen, text_bytes), texts_.add(pair.rejected, text_bytes);
    if (texts_.num_tokens() >= kShardTokens) flush();
  }
  void flush() {
    if (texts_.num_documents() == 0) return;
    texts_.write(folder_ / fmt::format("{}-{:05}.bin", name_, number_++));
    texts_.clear();
  }

 private:
  fs::path folder_;
  std::string name_;
  ShardWriter texts_;
  int number_ = 0;
};

PairSet open_set(const fs::path& folder, std::string_view name) {
  std::vector<fs::path> files;
  for (int i = 0;; ++i) {
    const fs::path file = folder / fmt::format("{}-{:05}.bin", name, i);
    if (!fs::exists(file)) break;
    files.push_back(file);
  }
  PairSet set{TokenSet(files)};
  if (set.texts.num_documents() % 2 != 0) user_error("{}: a shard of pairs has half a pair", folder.string());
  return set;
}

}  // namespace

Json prompt_messages(const Json& line, std::string_view where) {
  const auto prompt = line.find("prompt");
  if (prompt != line.end() && prompt->is_string()) return Json::array({{{"role", "user"}, {"content", *prompt}}});
  if (prompt == line.end() || !prompt->is_array() || prompt->empty())
    user_error("{}: \"prompt\" must be the text of a user, or a list of messages with \"role\" and \"content\"", where);
  for (const Json& m : *prompt)
    for (const char* key : {"role", "content"})
      if (!m.is_object() || !m.contains(key) || !m[key].is_string())
        user_error("{}: \"prompt\": each message is an object with a \"role\" and a \"content\"", where);
  return *prompt;
}

PreferencePair encode_pair(const ConversationEncoder& encoder, const Json& line, std::string_view where) {
  const Json messages = prompt_messages(line, where);
  return {encode_text(encoder, messages, line, "chosen", where),
          encode_text(encoder, messages, line, "rejected", where)};
}

void check_pairs(const std::string& source, std::string_view where) {
  if (is_pair_source(source)) parse_pair_source(source, where);
  else if (source.starts_with("builtin:"))
    user_error("{}: {} holds no pairs; of what is built in only builtin:pairs does", where, source);
  else source_files(source, {"prompt", "chosen", "rejected"});
}

PairCounts tokenize_pairs(const PairOptions& o, const ConversationEncoder& encoder, const fs::path& folder,
                          const std::function<void(const PairCounts&)>& progress) {
  AtomicFolder made(folder);
  PairWriter train(made.path(), "train", o), held_out(made.path(), "heldout", o);
  PairCounts counts;
  const auto add = [&](const Json& line, const std::string& where) {
    const PreferencePair pair = encode_pair(encoder, line, where);
    for (const auto* text : {&pair.chosen, &pair.rejected})
      check_vocabulary(encoder.tokenizer(), *text, o.vocab_size, where);
    const size_t longer = std::max(pair.chosen.size(), pair.rejected.size());
    counts.most = std::max<uint64_t>(counts.most, longer);
    if (pair.chosen == pair.rejected) {
      ++counts.same;
    } else if (int64_t(longer) > o.sequence_length) {
      ++counts.too_long;
    } else {
      const bool out = is_held_out(prompt_messages(line, where), o.held_out);
      (out ? held_out : train).add(pair, line.dump(-1, ' ', false, Json::error_handler_t::replace).size());
      ++counts.pairs;
      counts.held_out += out;
      counts.tokens += pair.chosen.size() + pair.rejected.size();
    }
    if (progress) progress(counts);
  };
  for (const std::string& source : o.sources) {
    if (is_pair_source(source)) {
      const ChatSource pairs = parse_pair_source(source, "data");
      for (int64_t i = 0; i < pairs.count; ++i)
        add(pair_json(pair_of(o.builtin_seed, uint64_t(i), pairs.languages, TaskSplit::train)),
            fmt::format("{}, pair {}", source, i));
      continue;
    }
    for (const fs::path& file : source_files(source, {"prompt", "chosen", "rejected"}).documents)
      read_json_lines(file, {}, add);
  }
  if (counts.pairs == counts.held_out)
    user_error(
        "{}: no pair to train on: of {}, {} have a text of more than {} tokens (train.sequence_length; the longest has "
        "{}), {} have the same answer twice, {} are held out",
        fmt::join(o.sources, ", "), counts.pairs + counts.too_long + counts.same, counts.too_long, o.sequence_length,
        counts.most, counts.same, counts.held_out);
  train.flush(), held_out.flush();
  made.commit();
  return counts;
}

PreferencePair PairSet::pair(uint64_t i) const {
  const auto text = [&](uint64_t document) {
    std::vector<int32_t> tokens(texts.document_length(document));
    texts.copy_document(document, 0, tokens.size(), tokens.data());
    return tokens;
  };
  return {text(2 * i), text(2 * i + 1)};
}

PairData open_pairs(const fs::path& folder) { return {open_set(folder, "train"), open_set(folder, "heldout")}; }

}  // namespace minke
