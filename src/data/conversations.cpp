#include "data/conversations.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "corpus/chat_source.h"
#include "corpus/task_json.h"
#include "corpus/task_source.h"
#include "data/json_lines.h"
#include "data/source_files.h"
#include "data/worked_tasks.h"

namespace minke {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";
constexpr uint64_t kShardTokens = uint64_t(1) << 26;

std::string without_blanks_before(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == text.npos ? "" : std::string(text.substr(begin));
}

bool is_learned(const Json& message) { return message["role"] == "assistant" && message.value("weight", 1.0) != 0; }

// The messages with their thoughts in the content, as templates cut them out.
Json checked_messages(const Json& line, std::string_view where) {
  const auto it = line.find("messages");
  if (it == line.end() || !it->is_array() || it->empty())
    user_error("{}: a conversation has \"messages\", a list of objects with \"role\" and \"content\"", where);
  Json messages = *it;
  for (size_t i = 0; i < messages.size(); ++i) {
    Json& m = messages[i];
    const auto string_at = [&](const char* key) { return m.contains(key) && m[key].is_string(); };
    if (!m.is_object() || !string_at("role"))
      user_error("{}: messages[{}]: an object with a \"role\" is expected", where, i);
    const bool has_thought = m.contains("reasoning_content") && !m["reasoning_content"].is_null();
    if (has_thought && !string_at("reasoning_content"))
      user_error("{}: messages[{}]: \"reasoning_content\" is a string", where, i);
    if (m.contains("content") && m["content"].is_null()) m["content"] = "";
    if (!string_at("content")) user_error("{}: messages[{}]: \"content\" is a string", where, i);
    if (m.contains("weight") && m["weight"] != 0 && m["weight"] != 1)
      user_error("{}: messages[{}]: \"weight\" is 1, or 0 for what is not to be learned", where, i);
    if (is_learned(m) && m.contains("tool_calls") && !m["tool_calls"].empty())
      user_error("{}: messages[{}]: calls of tools are not learned: give it \"weight\": 0", where, i);
    if (is_learned(m) && without_blanks_before(m["content"].get<std::string>()).empty())
      user_error("{}: messages[{}]: an answer without text: give it \"weight\": 0", where, i);
    if (!has_thought) continue;
    const std::string thought = m["reasoning_content"], content = m["content"];
    if (without_blanks_before(content).starts_with(kOpen))
      user_error("{}: messages[{}]: a thought in \"content\" and another one in \"reasoning_content\"", where, i);
    m["content"] = fmt::format("{}\n{}\n{}\n\n{}", kOpen, thought, kClose, content);
    m.erase("reasoning_content");
  }
  return messages;
}

// What the model has to write: where the prompt has opened the thought, its beginning is there already.
std::string text_to_write(std::string_view prompt, std::string content) {
  if (!opens_thought(prompt)) return content;
  const std::string_view end_of_prompt = prompt.substr(prompt.rfind(kOpen) + kOpen.size());
  std::string rest = without_blanks_before(content);
  if (!rest.starts_with(kOpen))
    return fmt::format("{}{}\n\n{}", end_of_prompt.ends_with('\n') ? "\n" : "\n\n", kClose, content);
  rest = rest.substr(kOpen.size());
  if (rest.starts_with(end_of_prompt)) rest = rest.substr(end_of_prompt.size());
  return rest;
}

bool begins_with(const std::vector<int32_t>& all, const std::vector<int32_t>& beginning) {
  return all.size() >= beginning.size() && std::equal(beginning.begin(), beginning.end(), all.begin());
}

}  // namespace

bool ConversationEncoder::opens_thoughts() const {
  ChatInputs inputs{.messages = Json::array({Json{{"role", "user"}, {"content", "?"}}})};
  inputs.add_generation_prompt = true;
  inputs.variables = {{"thinking", true}, {"enable_thinking", true}};
  return opens_thought(template_.render(inputs));
}

ConversationEncoder::Answer ConversationEncoder::answer_of(const Json& messages, size_t turn) const {
  ChatInputs inputs{.messages = Json(messages.begin(), messages.begin() + std::ptrdiff_t(turn))};
  inputs.add_generation_prompt = true;
  const std::string content = messages[turn]["content"];
  // Some templates close the thought in the prompt unless they are told that there will be one.
  if (without_blanks_before(content).starts_with(kOpen))
    inputs.variables = {{"thinking", true}, {"enable_thinking", true}};
  const std::string prompt = template_.render(inputs);
  Answer answer{tokenizer_.encode(prompt), tokenizer_.encode(text_to_write(prompt, content))};
  // What the template puts behind an answer ends it: any answer, and one that is found again.
  constexpr std::string_view kAnswer = "⟦answer⟧";
  inputs.messages = Json(messages.begin(), messages.begin() + std::ptrdiff_t(turn) + 1);
  inputs.messages.back()["content"] = kAnswer;
  inputs.add_generation_prompt = false;
  const std::string whole = template_.render(inputs);
  const size_t at = whole.rfind(kAnswer);
  int32_t end = tokenizer_.eos_id();
  if (at != whole.npos) {
    const std::vector<int32_t> behind = tokenizer_.encode(std::string_view(whole).substr(at + kAnswer.size()));
    if (!behind.empty() && tokenizer_.is_special(behind[0])) end = behind[0];
  }
  if (end < 0)
    user_error(
        "nothing ends an answer: the model has no eos token, and the chat template puts no special token behind it");
  answer.text.push_back(end);
  return answer;
}

TrainedConversation ConversationEncoder::answer(const Json& messages) const {
  check(!messages.empty(), "ConversationEncoder::answer: an answer");
  Answer a = answer_of(messages, messages.size() - 1);
  TrainedConversation c{std::move(a.prompt), {}};
  c.is_target.assign(c.tokens.size(), 0);
  c.tokens.insert(c.tokens.end(), a.text.begin(), a.text.end());
  c.is_target.resize(c.tokens.size(), 1);
  return c;
}

std::vector<TrainedConversation> ConversationEncoder::encode(const Json& line, std::string_view where) const {
  const Json messages = checked_messages(line, where);
  std::vector<TrainedConversation> all;
  for (size_t turn = 0; turn < messages.size(); ++turn) {
    if (!is_learned(messages[turn])) continue;
    Answer a;
    try {
      a = answer_of(messages, turn);
    } catch (const UserError& e) {
      user_error("{}: messages[{}]: {}", where, turn, e.what());
    }
    if (all.empty() || !begins_with(a.prompt, all.back().tokens)) all.emplace_back();
    TrainedConversation& c = all.back();
    c.is_target.resize(a.prompt.size(), 0);
    c.tokens = std::move(a.prompt);
    c.tokens.insert(c.tokens.end(), a.text.begin(), a.text.end());
    c.is_target.resize(c.tokens.size(), 1);
  }
  const auto has_target = [](const TrainedConversation& c) {
    return std::find(c.is_target.begin(), c.is_target.end(), 1) != c.is_target.end();
  };
  if (all.empty() || !std::all_of(all.begin(), all.end(), has_target))
    user_error("{}: nothing here is to be learned: a conversation needs a message of the assistant, with text", where);
  return all;
}

std::string marked_text(const Tokenizer& tokenizer, const TrainedConversation& c) {
  std::string text;
  for (size_t i = 0; i < c.tokens.size(); ++i) {
    if (c.is_target[i] && (i == 0 || !c.is_target[i - 1])) text += "⟦";
    text += tokenizer.decode({&c.tokens[i], 1});
    if (c.is_target[i] && (i + 1 == c.tokens.size() || !c.is_target[i + 1])) text += "⟧";
  }
  return text;
}

namespace {

std::string question_of(const Json& messages) {
  for (const Json& m : messages)
    if (m["role"] == "user" && m["content"].is_string()) return m["content"];
  return messages.dump();
}

// train-tokens-00000.bin and train-targets-00000.bin, or heldout-….
class SetWriter {
 public:
  SetWriter(const fs::path& folder, std::string name, const ConversationOptions& o)
      : folder_(folder),
        name_(std::move(name)),
        tokens_(o.tokenizer_hash, o.vocab_size),
        targets_(o.tokenizer_hash, 2) {
    if (o.soft_targets) soft_.emplace(o.tokenizer_hash, o.vocab_size);
  }
  void add(const TrainedConversation& c, uint64_t text_bytes, const SoftRows& rows, const TopLogProbabilities& top) {
    tokens_.add(c.tokens, text_bytes);
    if (soft_) soft_->add(rows, top);
    targets_.add(std::vector<int32_t>(c.is_target.begin(), c.is_target.end()), text_bytes);
    if (tokens_.num_tokens() + (soft_ ? soft_->pairs() : 0) >= kShardTokens) flush();
  }
  void flush() {
    if (tokens_.num_documents() == 0) return;
    tokens_.write(folder_ / fmt::format("{}-tokens-{:05}.bin", name_, number_));
    targets_.write(folder_ / fmt::format("{}-targets-{:05}.bin", name_, number_));
    if (soft_) soft_->write(folder_, name_, number_);
    ++number_;
    tokens_.clear(), targets_.clear();
  }

 private:
  fs::path folder_;
  std::string name_;
  ShardWriter tokens_, targets_;
  std::optional<SoftWriter> soft_;
  int number_ = 0;
};

ConversationSet open_set(const fs::path& folder, std::string_view name) {
  std::vector<fs::path> tokens, targets;
  for (int i = 0;; ++i) {
    const fs::path t = folder / fmt::format("{}-tokens-{:05}.bin", name, i);
    if (!fs::exists(t)) break;
    tokens.push_back(t);
    targets.push_back(folder / fmt::format("{}-targets-{:05}.bin", name, i));
  }
  ConversationSet set{TokenSet(tokens), TokenSet(targets), {}};
  bool same = set.tokens.num_documents() == set.is_target.num_documents();
  for (uint64_t d = 0; same && d < set.tokens.num_documents(); ++d)
    same = set.tokens.document_length(d) == set.is_target.document_length(d);
  if (!same) user_error("{}: the shards of tokens and those of targets do not belong together", folder.string());
  if (!tokens.empty() && fs::exists(soft_shard(folder, name, 0)))
    set.soft = SoftSet(folder, name, int(tokens.size()), set.tokens);
  return set;
}

}  // namespace

bool is_held_out(const Json& messages, const HeldOutOptions& options) {
  const std::string question = question_of(messages);
  return !question.empty() && split_document(question, options).train.empty();
}

void check_vocabulary(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens, int32_t vocab_size,
                      std::string_view where) {
  const int32_t largest = *std::max_element(tokens.begin(), tokens.end());
  if (largest >= vocab_size)
    user_error("{}: {} is token {} of the tokenizer, but the model has {} tokens: the two do not belong together",
               where, tokenizer.token_bytes(largest), largest, vocab_size);
}

void check_conversations(const std::string& source, std::string_view where, bool soft_targets) {
  if ((is_chat_source(source) || is_task_source(source)) && soft_targets)
    user_error(
        "{}: no teacher has written {}: learn from the answers of minke sample --top-logprobs alone, or set "
        "sft.soft_targets=0",
        where, source);
  if (is_chat_source(source)) parse_chat_source(source, where);
  else if (is_task_source(source)) parse_task_source(source, where);
  else if (source.starts_with("builtin:"))
    user_error("{}: {} holds no conversations; of what is built in only builtin:chats and builtin:tasks:NAME do", where,
               source);
  else source_files(source, {"messages"});
}

namespace {

TopLogProbabilities teachers_of(const Json& line, std::string_view where, const std::string& vocabulary) {
  const auto found = line.find("top_logprobs");
  if (found == line.end())
    user_error(
        "{}: no \"top_logprobs\", which sft.soft_targets learns from: let minke sample --top-logprobs write the "
        "answers, or set sft.soft_targets=0",
        where);
  TopLogProbabilities top = top_log_probabilities(*found, where);
  if (top.vocabulary != vocabulary)
    user_error(
        "{}: the teacher has another vocabulary ({}) than the student ({}): its log-probabilities are of other "
        "tokens. Take a student with the teacher's tokenizer, or set sft.soft_targets=0",
        where, printable(top.vocabulary.substr(0, 40)), vocabulary);
  return top;
}

}  // namespace

ConversationCounts tokenize_conversations(const ConversationOptions& o, const ConversationEncoder& encoder,
                                          const fs::path& folder,
                                          const std::function<void(const ConversationCounts&)>& progress) {
  AtomicFolder made(folder);
  SetWriter train(made.path(), "train", o), held_out(made.path(), "heldout", o);
  ConversationCounts counts;
  uint64_t trained = 0, soft = 0;  // of those that are not held out
  const std::string vocabulary = o.soft_targets ? vocabulary_hash(encoder.tokenizer()) : "";
  const bool as_thought = encoder.opens_thoughts();
  const auto add = [&](const Json& given, const std::string& where) {
    const bool problem = given.is_object() && !given.contains("messages") && given.contains("question");
    Json line = problem ? conversation_of(task_of_json(given, where), as_thought, where) : given;
    const std::vector<TrainedConversation> sequences = encoder.encode(line, where);
    TopLogProbabilities top;
    if (o.soft_targets) top = teachers_of(line, where, vocabulary);
    line.erase("top_logprobs");  // no text
    const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace);
    const bool out = is_held_out(line["messages"], o.held_out);
    ++counts.conversations;
    counts.held_out += out;
    for (const TrainedConversation& c : sequences) {
      check_vocabulary(encoder.tokenizer(), c.tokens, o.vocab_size, where);
      if (int64_t(c.tokens.size()) > o.sequence_length + 1) {
        ++counts.too_long;
        continue;
      }
      SoftRows rows;
      if (o.soft_targets) {
        const bool last = &c == &sequences.back();
        rows = soft_rows(encoder.tokenizer(), c, last ? top : TopLogProbabilities{});
        counts.otherwise += last && !rows.whole;
        const auto teachers =
            uint64_t(std::count_if(rows.row.begin(), rows.row.end(), [](int32_t r) { return r >= 0; }));
        counts.soft_targets += teachers;
        if (!out) soft += teachers;
      }
      (out ? held_out : train).add(c, text.size(), rows, top);
      ++counts.sequences;
      trained += !out;
      counts.tokens += c.tokens.size();
      counts.targets += uint64_t(std::count(c.is_target.begin(), c.is_target.end(), 1));
    }
    if (progress) progress(counts);
  };
  for (const std::string& source : o.sources) {
    if (is_chat_source(source)) {
      const ChatSource chats = parse_chat_source(source, "data");
      for (int64_t i = 0; i < chats.count; ++i)
        add(chat_json(chat_of(o.builtin_seed, uint64_t(i), chats.languages, TaskSplit::train)),
            fmt::format("{}, conversation {}", source, i));
      continue;
    }
    if (is_task_source(source)) {
      const TaskSource tasks = parse_task_source(source, "data");
      for (int64_t i = 0; i < tasks.count; ++i) {
        const std::string where = fmt::format("{}, problem {}", source, i);
        add(conversation_of(task_of_source(o.builtin_seed, uint64_t(i), tasks), as_thought, where), where);
      }
      continue;
    }
    for (const fs::path& file : source_files(source, {"messages"}).documents) read_json_lines(file, {}, add);
  }
  if (trained == 0)
    user_error(
        "{}: no conversation to train on: {} were read, {} are longer than {} tokens (train.sequence_length), {} are "
        "held out",
        fmt::join(o.sources, ", "), counts.conversations, counts.too_long, o.sequence_length + 1, counts.held_out);
  if (o.soft_targets && soft == 0)
    user_error(
        "{}: in none of {} conversations is the answer made of the tokens that the teacher has drawn: the student's "
        "chat "
        "template (sft.chat_template) writes it otherwise, or the text was changed; set sft.soft_targets=0 to learn "
        "from "
        "the text alone",
        fmt::join(o.sources, ", "), trained);
  train.flush(), held_out.flush();
  made.commit();
  return counts;
}

TrainedConversation ConversationSet::conversation(uint64_t document) const {
  TrainedConversation c;
  c.tokens.resize(tokens.document_length(document));
  tokens.copy_document(document, 0, c.tokens.size(), c.tokens.data());
  std::vector<int32_t> marks(c.tokens.size());
  is_target.copy_document(document, 0, marks.size(), marks.data());
  c.is_target.assign(marks.begin(), marks.end());
  return c;
}

ConversationData open_conversations(const fs::path& folder) {
  return {open_set(folder, "train"), open_set(folder, "heldout")};
}

}  // namespace minke
