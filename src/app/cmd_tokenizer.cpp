// minke tokenizer train | encode | decode | inspect: flags → options → src/tokenize. Results go to standard output,
// what is said about them to standard error, so that both can be piped.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/standard_output.h"
#include "data/documents.h"
#include "recipe/choices.h"
#include "tokenize/tokenizer.h"
#include "tokenize/train.h"

namespace minke {
namespace {

std::string read_stdin() {
  std::string text;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, stdin)) text.append(buffer, n);
  if (std::ferror(stdin)) user_error("cannot read standard input");
  return text;
}

// Of JSON Lines the documents; of text parts that end with a line, because pieces do not reach over a line break except in
// runs of white space, and threads need parts to share.
struct Corpus {
  std::vector<std::string> texts;
  size_t bytes = 0;

  Corpus(const std::vector<std::string>& sources, const std::vector<std::string>& text_keys) {
    read_documents(sources, {.text_keys = text_keys, .in_parts = true}, [&](std::string_view text) {
      texts.emplace_back(text);
      bytes += text.size();
    });
    for (const std::string& line : notes_on_sources(sources, text_keys)) print_note(line);
    if (bytes == 0) user_error("there is no text in {}", fmt::join(sources, ", "));
  }
  std::vector<std::string_view> views() const { return {texts.begin(), texts.end()}; }
};

struct Flags {
  std::string tokenizer, pretokenizer = "deepseek_v3";
  TokenizerKind kind = TokenizerKind::bpe;
  std::vector<std::string> files, special, text_keys{"text"};
  std::string out, jsonl, text;
  std::vector<int32_t> ids;
  int vocab_size = 4096;
  int64_t min_frequency = 2;
  int threads = int(std::max(1u, std::thread::hardware_concurrency()));
  bool no_special = false, plain = false, bos = false, eos = false, skip_special = false;
};

Tokenizer load(const Flags& f) {
  Tokenizer tokenizer = Tokenizer::load(f.tokenizer);
  if (!tokenizer.note().empty()) print_note(tokenizer.note());
  return tokenizer;
}

void train(const Flags& f, bool vocab_size_given) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    if (const fs::path file = fs::path(f.out) / name; fs::exists(fs::symlink_status(file)))
      user_error("{} already exists: remove it, or choose another --out", file.string());
  const Corpus corpus(f.files, f.text_keys);
  TrainOptions options;
  const bool characters = f.kind == TokenizerKind::characters;
  options.pretokenizer = characters ? "characters" : f.pretokenizer;
  options.vocab_size = characters && !vocab_size_given ? 0 : f.vocab_size;
  options.min_frequency = f.min_frequency;
  options.threads = f.threads;
  if (f.no_special || (characters && f.special.empty())) options.special_tokens.clear();
  if (!f.special.empty()) options.special_tokens = f.special;
  const auto start = Clock::now();
  const Tokenizer tokenizer = train_bpe(corpus.views(), options);
  const double seconds = seconds_since(start);
  tokenizer.save(f.out);
  print_note(fmt::format("{}: {} tokens ({} added, {} merges) from {:.2f} MB in {:.2f} s", f.out,
                         tokenizer.vocab_size(), tokenizer.added_tokens().size(), tokenizer.num_merges(),
                         corpus.bytes / 1e6, seconds));
}

std::string ids_as_json(const std::vector<int32_t>& ids) { return fmt::format("[{}]", fmt::join(ids, ",")); }

void encode_jsonl(const Flags& f, const Tokenizer& tokenizer, EncodeOptions options) {
  AtomicFile output{fs::path(f.out)};
  size_t bytes = 0, tokens = 0, documents = 0;
  double encoding_seconds = 0;
  std::vector<std::string> texts;
  size_t waiting = 0;
  const auto flush = [&] {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const auto start = Clock::now();
    const auto all = tokenizer.encode_all(views, f.threads, options);
    encoding_seconds += seconds_since(start);
    for (const auto& ids : all) {
      output.write(fmt::format("{{\"ids\": {}}}\n", ids_as_json(ids)));
      tokens += ids.size();
    }
    documents += texts.size();
    bytes += waiting;
    waiting = 0;
    texts.clear();
  };
  read_json_lines(f.jsonl, {}, [&](const Json& line, const std::string& where) {
    texts.push_back(text_of(line, f.text_keys, where));
    waiting += texts.back().size();
    if (waiting > (16u << 20)) flush();
  });
  flush();
  output.commit();
  print_note(fmt::format("{}: {} documents, {:.2f} MB, {} tokens, {:.2f} bytes per token, {:.1f} MB/s on {} thread{}",
                         f.out, documents, bytes / 1e6, tokens, tokens ? double(bytes) / double(tokens) : 0.0,
                         encoding_seconds > 0 ? bytes / 1e6 / encoding_seconds : 0.0, f.threads,
                         f.threads == 1 ? "" : "s"));
}

void encode(const Flags& f, bool text_given) {
  const Tokenizer tokenizer = load(f);
  const EncodeOptions options{.parse_special = !f.plain, .add_bos = f.bos, .add_eos = f.eos};
  if (f.bos && tokenizer.bos_id() < 0) user_error("--bos: the tokenizer of {} has no begin-of-text token", f.tokenizer);
  if (f.eos && tokenizer.eos_id() < 0) user_error("--eos: the tokenizer of {} has no end-of-text token", f.tokenizer);
  if (!f.jsonl.empty()) {
    if (f.out.empty()) user_error("--jsonl needs --out FILE for the ids.");
    if (text_given) user_error("Give either a text or --jsonl, not both.");
    refuse_own_input(f.out, f.jsonl);
    encode_jsonl(f, tokenizer, options);
    return;
  }
  const std::vector<int32_t> ids = tokenizer.encode(text_given ? f.text : read_stdin(), options);
  const std::string line = fmt::format("{}\n", fmt::join(ids, " "));
  if (f.out.empty()) print_out(line);
  else write_file_atomic(f.out, line);
}

void decode(const Flags& f) {
  const Tokenizer tokenizer = load(f);
  std::vector<int32_t> ids = f.ids;
  if (ids.empty()) {
    const std::string text = read_stdin();
    for (size_t at = 0; at < text.size();) {
      if (std::string_view(" \t\r\n,[]").find(text[at]) != std::string_view::npos) {
        ++at;
        continue;
      }
      const size_t end = std::min(text.find_first_of(" \t\r\n,[]", at), text.size());
      const std::string word = text.substr(at, end - at);
      if (word.size() > 9 || !std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; }))
        user_error("\"{}\" at byte {} of the input is not a token id. Give ids between 0 and {}, separated by spaces.",
                   word.substr(0, 40), at, tokenizer.vocab_size() - 1);
      ids.push_back(std::stoi(word));
      at = end;
    }
  }
  for (size_t i = 0; i < ids.size(); ++i)
    if (!tokenizer.has_token(ids[i]))
      user_error("Id {} (number {} in the list) does not exist: the ids of this tokenizer are 0 to {}.", ids[i], i,
                 tokenizer.vocab_size() - 1);
  print_out(tokenizer.decode(ids, f.skip_special));
}

std::string as_shown(std::string_view bytes) {
  return Json(bytes).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void inspect(const Flags& f) {
  const Tokenizer t = load(f);
  const auto named = [&](int32_t id) {
    return id < 0 ? std::string("none") : fmt::format("{} {}", id, as_shown(t.token_bytes(id)));
  };
  size_t special = 0;
  for (const AddedToken& token : t.added_tokens()) special += token.special;
  print_out(
      fmt::format("ids             {}\nmerges          {}\npre-tokenizer   {}\nbos             {}\neos             {}\n"
                  "added tokens    {}, {} of them special\n",
                  t.vocab_size(), t.num_merges(), t.pretokenizer_name(), named(t.bos_id()), named(t.eos_id()),
                  t.added_tokens().size(), special));
  constexpr size_t kShown = 12;
  for (size_t i = 0; i < std::min(kShown, t.added_tokens().size()); ++i)
    print_out(fmt::format("  {}\n", named(t.added_tokens()[i].id)));
  if (t.added_tokens().size() > kShown) print_out(fmt::format("  … and {} more\n", t.added_tokens().size() - kShown));

  std::vector<int32_t> longest;
  for (int32_t id = 0; id < t.vocab_size(); ++id)
    if (t.has_token(id) && !t.id_of(t.token_bytes(id))) longest.push_back(id);
  const size_t count = std::min<size_t>(10, longest.size());
  std::partial_sort(longest.begin(), longest.begin() + ptrdiff_t(count), longest.end(), [&](int32_t a, int32_t b) {
    const size_t la = t.token_bytes(a).size(), lb = t.token_bytes(b).size();
    return la != lb ? la > lb : a < b;
  });
  print_out("longest tokens\n");
  for (size_t i = 0; i < count; ++i)
    print_out(fmt::format("  {} ({} bytes)\n", named(longest[i]), t.token_bytes(longest[i]).size()));

  for (const std::string& file : f.files) {
    const Corpus corpus({file}, f.text_keys);
    size_t tokens = 0;
    const std::clock_t start = std::clock();  // processor time: the machine may be busy
    for (const std::string& text : corpus.texts) tokens += t.encode(text).size();
    const double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
    print_out(fmt::format("{}: {:.2f} MB, {} tokens, {:.3f} bytes per token, {:.1f} MB/s of processor time\n", file,
                          corpus.bytes / 1e6, tokens, double(corpus.bytes) / double(tokens),
                          corpus.bytes / 1e6 / std::max(seconds, 1e-6)));
  }
}

}  // namespace

void add_tokenizer_command(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("tokenizer", "Train a tokenizer, encode and decode text, show a tokenizer");
  set_example(*command, "minke tokenizer train notes.txt --vocab-size 1000 --out my-tokenizer");
  command->require_subcommand(1);
  auto flags = std::make_shared<Flags>();
  Flags& f = *flags;
  const auto tokenizer_flag = [&](CLI::App* verb) {
    verb->add_option("-t,--tokenizer", f.tokenizer, "tokenizer.json, the folder that contains it, or a GGUF file")
        ->required();
  };
  const auto key_flag = [&](CLI::App* verb) {
    verb->add_option("--text-key", f.text_keys,
                     "JSONL key whose value is the text (may be repeated; the values are joined)")
        ->allow_extra_args(false)
        ->capture_default_str();
  };
  const auto threads_flag = [&](CLI::App* verb) {
    verb->add_option("--threads", f.threads, "Threads")->capture_default_str()->check(CLI::Range(1, 1024));
  };

  CLI::App* verb = command->add_subcommand("train", "Train a tokenizer on text or .jsonl files");
  set_example(*verb, "minke tokenizer train notes.txt --vocab-size 1000 --out my-tokenizer");
  CLI::Option* size = verb->add_option("--vocab-size", f.vocab_size,
                                       "Size of the vocabulary: special tokens, bytes and merges together")
                          ->capture_default_str()
                          ->check(CLI::Range(1, 1 << 24));
  verb->add_option("--out", f.out, "Folder for tokenizer.json and tokenizer_config.json")->required();
  add_choice(*verb, "--kind", f.kind, "bpe, or characters: one token per distinct character");
  verb->add_option(
          "--pretokenizer", f.pretokenizer,
          "deepseek_v3, deepseek_llm, deepseek_coder, llama3, qwen2, gpt2, smollm or single_signs (arithmetic)")
      ->capture_default_str()
      ->check(CLI::IsMember(
          {"deepseek_v3", "deepseek_llm", "deepseek_coder", "llama3", "qwen2", "gpt2", "smollm", "single_signs"}));
  verb->add_option(
          "--special", f.special,
          "A special token (may be given again); the first two are bos and eos (default: DeepSeek-V3's; none for "
          "characters)")
      ->allow_extra_args(false);
  verb->add_flag("--no-special", f.no_special, "No special tokens");
  verb->add_option("--min-frequency", f.min_frequency, "Pairs that occur less often than this are not merged")
      ->capture_default_str();
  key_flag(verb);
  threads_flag(verb);
  verb->add_option("files", f.files, "Files, folders or globs: text, JSON Lines, .gz and .zst of both")->required();
  verb->callback([flags, size] { train(*flags, size->count() > 0); });

  verb = command->add_subcommand("encode",
                                 "Turn text into ids: an argument, standard input, or each line of a .jsonl file");
  set_example(*verb, R"(minke tokenizer encode -t runs/out/quickstart/latest "The whale sings.")");
  tokenizer_flag(verb);
  CLI::Option* text = verb->add_option("text", f.text, "The text (default: standard input)");
  verb->add_option("--jsonl", f.jsonl,
                   "JSON Lines (.gz and .zst too) with the text of each; writes {\"ids\": […]} lines to --out");
  verb->add_option("--out", f.out, "File for the ids (default: standard output)");
  verb->add_flag("--plain", f.plain, "Treat special tokens in the text as plain text (for untrusted text)");
  verb->add_flag("--bos", f.bos, "Add the begin-of-text token at the front");
  verb->add_flag("--eos", f.eos, "Add the end-of-text token at the end");
  key_flag(verb);
  threads_flag(verb);
  verb->callback([flags, text] { encode(*flags, text->count() > 0); });

  verb = command->add_subcommand("decode", "Turn ids into text: arguments or standard input");
  set_example(*verb, "minke tokenizer decode -t runs/out/quickstart/latest 10 11 12");
  tokenizer_flag(verb);
  verb->add_option("ids", f.ids, "Token ids (default: from standard input)");
  verb->add_flag("--skip-special", f.skip_special, "Leave special tokens out");
  verb->callback([flags] { decode(*flags); });

  verb = command->add_subcommand("inspect", "Show sizes, special tokens, longest tokens, and bytes per token of files");
  set_example(*verb, "minke tokenizer inspect -t runs/out/quickstart/latest notes.txt");
  tokenizer_flag(verb);
  verb->add_option("files", f.files, "Files, folders or globs to measure");
  key_flag(verb);
  verb->callback([flags] { inspect(*flags); });
}

}  // namespace minke
