// The run's tokenizer, token shards and model config.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/pretrain_run.h"
#include "data/hash.h"
#include "tokenize/train.h"

namespace minke {
namespace {

constexpr size_t kTokenizerSample = size_t(32) << 20;  // bytes of text a tokenizer is trained on at most

DocumentOptions document_options(const Recipe& r) {
  return {.text_keys = r.data.text_keys,
          .split_blank_lines = r.data.documents == "blank-lines",
          .builtin_bytes = uint64_t(r.data.builtin_bytes),
          .builtin_seed = r.train.seed};
}

HeldOutOptions held_out_options(const Recipe& r) {
  if (r.data.held_out == "tail") return {.tail_fraction = r.data.held_out_fraction};
  return {.hash_fraction = r.data.held_out_fraction};
}

// What a trained tokenizer depends on: a run that starts again after a mistake must not find another recipe's.
std::string tokenizer_origin(const Recipe& r) {
  std::string origin = fmt::format("{} {} {} {} {} {}\n", r.tokenizer.kind, r.tokenizer.vocab_size,
                                   r.data.builtin_bytes, r.data.held_out, r.data.held_out_fraction, r.train.seed);
  for (const std::string& source : r.data.train) origin += source + "\n";
  for (const std::string& key : r.data.text_keys) origin += key + "\n";
  return origin;
}

}  // namespace

Tokenizer prepare_tokenizer(const Recipe& r, const fs::path& run_folder, int threads, Console& console) {
  if (!r.tokenizer.path.empty()) return Tokenizer::load(r.tokenizer.path);
  const fs::path folder = run_folder / "tokenizer";
  const fs::path origin = folder / "trained-from.txt";
  if (fs::exists(origin) && read_file(origin) == tokenizer_origin(r)) return Tokenizer::load(folder);
  std::vector<std::string> texts;
  size_t bytes = 0;
  const HeldOutOptions held_out = held_out_options(r);
  read_documents(r.data.train, document_options(r), [&](std::string_view text) {
    // Characters must all be known; a BPE is well served by a sample, and must not see what is held out.
    if (r.tokenizer.kind != "characters") text = bytes < kTokenizerSample ? split_document(text, held_out).train : "";
    bytes += text.size();
    if (!text.empty()) texts.emplace_back(text);
  });
  if (texts.empty()) user_error("no text to train a tokenizer on in {}", fmt::join(r.data.train, ", "));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  TrainOptions options;
  options.vocab_size = int32_t(r.tokenizer.vocab_size);
  options.threads = threads;
  if (r.tokenizer.kind == "characters") {
    options.pretokenizer = "characters";
    options.vocab_size = 0;
    options.special_tokens.clear();
  }
  Tokenizer tokenizer = train_bpe(views, options);
  fs::create_directories(folder);
  tokenizer.save(folder);
  write_file_atomic(origin, tokenizer_origin(r));
  console.print(fmt::format("tokenizer   {} tokens, trained on {} of text → {}", tokenizer.vocab_size(),
                            human_bytes(double(bytes)), folder.string()));
  return tokenizer;
}

Dataset prepare_data(const Recipe& r, const Tokenizer& tokenizer, const fs::path& run_folder, int threads,
                     Console& console) {
  DatasetOptions options;
  options.sources = r.data.train;
  options.documents = document_options(r);
  options.held_out = held_out_options(r);
  options.encode = [&tokenizer](std::string_view text) {
    return tokenizer.encode(text, {.parse_special = false, .add_bos = true});
  };
  options.vocab_size = tokenizer.vocab_size();
  options.tokenizer_hash = hash64(tokenizer.json_text());
  options.eos = tokenizer.eos_id();
  options.threads = threads;
  Dataset data = prepare_dataset(options, run_folder / "data", [&](const DatasetProgress& p) {
    console.progress(fmt::format("tokenising  {} documents, {}, {} tokens", p.documents, human_bytes(double(p.bytes)),
                                 human_count(double(p.tokens))),
                     0, 0);
  });
  const double bytes = double(data.train.text_bytes() + data.held_out.text_bytes());
  const double tokens = double(data.train.num_tokens() + data.held_out.num_tokens());
  console.print(fmt::format("data        {} train and {} held-out tokens, {:.2f} bytes per token",
                            human_count(double(data.train.num_tokens())),
                            human_count(double(data.held_out.num_tokens())), bytes / std::max(tokens, 1.0)));
  return data;
}

Config model_config(const Recipe& r, int64_t vocab_size, int64_t bos, int64_t eos) {
  Json j = parse_json(r.model_json, "recipe [model]");
  const auto fill = [&](const char* key, Json value) {
    if (!j.contains(key)) j[key] = std::move(value);
  };
  fill("model_type", "deepseek_v3");
  fill("vocab_size", vocab_size);
  fill("max_position_embeddings", r.train.sequence_length);
  fill("initializer_range", r.train.initializer_range);
  if (bos >= 0) fill("bos_token_id", bos);
  if (eos >= 0) fill("eos_token_id", eos);
  Config config = parse_config(j.dump(), "recipe [model]");
  if (config.vocab_size < vocab_size)
    user_error("recipe [model]: vocab_size {} is less than the tokenizer's {} tokens", config.vocab_size, vocab_size);
  if (config.max_position_embeddings < r.train.sequence_length)
    user_error("recipe: train.sequence_length {} is more than model.max_position_embeddings {}",
               r.train.sequence_length, config.max_position_embeddings);
  return config;
}

}  // namespace minke
