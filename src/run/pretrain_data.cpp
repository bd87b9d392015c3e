// The run's tokenizer, token shards and model config.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/clock.h"
#include "core/human_numbers.h"
#include "data/hash.h"
#include "data/text_sample.h"
#include "recipe/model_config.h"
#include "run/pretrain_stage.h"
#include "run/settings.h"
#include "tokenize/train.h"

namespace minke {
namespace {

constexpr const char* kOrigin = "trained-from.txt";
constexpr size_t kTokenizerSample = size_t(32) << 20;  // bytes of text a tokenizer is trained on at most

// The sources that become one training set each.
std::vector<std::vector<std::string>> source_groups(const Recipe& r) {
  if (r.data.weights.empty()) return {r.data.train};
  std::vector<std::vector<std::string>> groups;
  for (const std::string& source : r.data.train) groups.push_back({source});
  return groups;
}

// Of a model of this type transformers splits text by Qwen's rule, whatever its tokenizer says.
bool is_qwen2(const Recipe& r) { return model_config(r, 1, -1, -1).model_type == ModelType::qwen2; }

// What the run's tokenizer depends on: a run that starts again after a mistake must not find one of another recipe, or of
// other text.
std::string tokenizer_origin(const Recipe& r) {
  if (!r.tokenizer.path.empty()) return fmt::format("{}\n", r.tokenizer.path);
  std::string special = is_qwen2(r) ? "qwen2 " : "";
  if (r.tokenizer.pretokenizer != TextSplit::automatic)
    special += fmt::format("{} ", name_of(r.tokenizer.pretokenizer));
  if (!r.tokenizer.tags.empty()) special += Json(r.tokenizer.tags).dump() + " ";
  return fmt::format("{}{} {} {} {} {} {:016x}\n", special, name_of(r.tokenizer.kind), r.tokenizer.vocab_size,
                     name_of(r.data.held_out), r.data.held_out_fraction, Json(r.data.weights).dump(),
                     documents_fingerprint(r.data.train, document_options(r)));
}

// Text that a tokenizer is trained on. Characters must all be known; a BPE is well served by a sample with the shares of
// the sources, and must not see what is held out.
std::vector<std::string> tokenizer_text(const Recipe& r) {
  const auto groups = source_groups(r);
  const HeldOutOptions held_out = held_out_options(r);
  const double total = std::accumulate(r.data.weights.begin(), r.data.weights.end(), 0.0);
  std::vector<std::string> texts;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (r.tokenizer.kind == TokenizerKind::characters) {
      read_documents(groups[i], document_options(r), [&](std::string_view text) { texts.emplace_back(text); });
      continue;
    }
    const double share = r.data.weights.empty() ? 1 : r.data.weights[i] / total;
    TextSample sample(size_t(share * double(kTokenizerSample)));
    read_documents(groups[i], document_options(r),
                   [&](std::string_view text) { sample.add(split_document(text, held_out).train); });
    for (std::string& text : sample.take()) texts.push_back(std::move(text));
  }
  return texts;
}

std::string progress_line(const DatasetProgress& p, double seconds) {
  const double share = p.input > 0 ? double(p.consumed) / double(p.input) : 1;
  return fmt::format("tokenising  {} {:3.0f} %  {}, {} tokens, {}/s  ETA {}", progress_bar(share, 16), 100 * share,
                     human_bytes(double(p.bytes)), human_count(double(p.tokens)),
                     human_bytes(double(p.bytes) / seconds),
                     human_time(share > 0 ? seconds * (1 - share) / share : NAN));
}

}  // namespace

Tokenizer prepare_tokenizer(const Recipe& r, const RunFolder& run, int threads, Console& console) {
  const fs::path folder = run.path() / "tokenizer";
  if (run.has_begun()) return Tokenizer::load(folder);
  const std::string origin = tokenizer_origin(r);  // before the text is read: one that changes meanwhile differs
  const auto keep = [&](const Tokenizer& tokenizer) {
    AtomicFolder made(folder);
    tokenizer.save(made.path());
    write_file_atomic(made.path() / kOrigin, origin);
    made.commit();
  };
  if (!r.tokenizer.path.empty()) {
    Tokenizer tokenizer = Tokenizer::load(r.tokenizer.path);
    keep(tokenizer);  // a copy: the one named may be another one by the time the run goes on
    return tokenizer;
  }
  if (fs::exists(folder / kOrigin) && read_file(folder / kOrigin) == origin) return Tokenizer::load(folder);
  const std::vector<std::string> texts = tokenizer_text(r);
  if (texts.empty()) user_error("no text to train a tokenizer on in {}", fmt::join(r.data.train, ", "));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  TrainOptions options;
  options.vocab_size = int32_t(r.tokenizer.vocab_size);
  options.threads = threads;
  if (r.tokenizer.kind == TokenizerKind::characters) {
    options.pretokenizer = "characters";
    options.vocab_size = 0;
    options.special_tokens.clear();
  } else {
    if (r.tokenizer.pretokenizer != TextSplit::automatic) options.pretokenizer = name_of(r.tokenizer.pretokenizer);
    else if (is_qwen2(r)) options.pretokenizer = "qwen2";
    options.tags = r.tokenizer.tags;
  }
  Tokenizer tokenizer = train_bpe(views, options);
  keep(tokenizer);
  size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  console.print(fmt::format("tokenizer   {} tokens, trained on {} of text → {}", tokenizer.vocab_size(),
                            human_bytes(double(bytes)), folder.string()));
  return tokenizer;
}

namespace {

// Tokenises what has not been tokenised yet, into `folders`.
void make_shards(const Recipe& r, const Tokenizer& tokenizer, const std::vector<fs::path>& folders, int threads,
                 Console& console) {
  DatasetOptions options;
  options.documents = document_options(r);
  options.held_out = held_out_options(r);
  options.encode = [&tokenizer](std::string_view text) {
    return tokenizer.encode(text, {.parse_special = false, .add_bos = true});
  };
  options.vocab_size = tokenizer.vocab_size();
  options.tokenizer_hash = hash64(tokenizer.json_text());
  options.eos = tokenizer.eos_id();
  options.threads = threads;
  for (const std::string& line : notes_on_sources(r.data.train, r.data.text_keys)) console.print("data        " + line);
  const auto groups = source_groups(r);
  for (size_t i = 0; i < groups.size(); ++i) {
    options.sources = groups[i];
    const auto start = Clock::now();
    const auto progress = [&](const DatasetProgress& p) {
      const double seconds = seconds_since(start);
      console.progress(progress_line(p, std::max(seconds, 1e-9)), int64_t(p.consumed), int64_t(p.input));
    };
    if (r.data.cache.empty()) {
      prepare_dataset(options, folders[i], progress);
      continue;
    }
    const fs::path cached = prepare_cached_dataset(options, r.data.cache, progress);
    fs::create_directories(folders[i].parent_path());
    fs::remove_all(folders[i]);
    replace_link(folders[i], fs::canonical(cached));
  }
}

}  // namespace

Mixture prepare_data(const Recipe& r, const Tokenizer& tokenizer, const RunFolder& run, int threads, Console& console) {
  const auto groups = source_groups(r);
  std::vector<fs::path> folders;
  for (size_t i = 0; i < groups.size(); ++i)
    folders.push_back(groups.size() == 1 ? run.path() / "data" : run.path() / "data" / std::to_string(i));
  if (!run.has_begun()) make_shards(r, tokenizer, folders, threads, console);
  Mixture data = open_mixture(folders);
  if (data.train[0].tokenizer_hash() != hash64(tokenizer.json_text()))
    user_error("{}: the tokenizer has changed since the text of the run was tokenised",
               (run.path() / "tokenizer").string());
  double bytes = double(data.held_out.text_bytes()), tokens = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    bytes += double(data.train[i].text_bytes());
    tokens += double(data.train[i].num_tokens());
  }
  const double held_out = double(data.held_out.num_tokens());
  console.print(fmt::format("data        {} train and {} held-out tokens, {:.2f} bytes per token", human_count(tokens),
                            human_count(held_out), bytes / std::max(tokens + held_out, 1.0)));
  if (held_out == 0)
    console.print(
        "            no text is held out, so nothing will be evaluated. For one long text set data.held_out = \"tail\" "
        "or "
        "data.documents = \"blank-lines\"");
  const double total = std::accumulate(r.data.weights.begin(), r.data.weights.end(), 0.0);
  for (size_t i = 0; i < r.data.weights.size(); ++i)
    console.print(fmt::format("            {:5.1f} % {}: {} tokens", 100 * r.data.weights[i] / total, r.data.train[i],
                              human_count(double(data.train[i].num_tokens()))));
  return data;
}

}  // namespace minke
