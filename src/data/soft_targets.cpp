#include "data/soft_targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/error.h"
#include "data/conversations.h"

namespace minke {
namespace {

fs::path part(const fs::path& folder, std::string_view name, const char* what, int number) {
  return folder / fmt::format("{}-soft{}-{:05}.bin", name, what, number);
}

size_t common(std::span<const int32_t> a, std::span<const int32_t> b) {
  return size_t(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

// Where an answer goes on that opens a thought, perhaps behind a blank: behind <think> and a newline; 0: it opens none.
size_t end_of_opening(const Tokenizer& tokenizer, std::span<const int32_t> answer) {
  const std::vector<int32_t> open = tokenizer.encode("<think>");
  for (size_t begin = 0; begin <= 1 && begin + open.size() < answer.size(); ++begin) {
    if (begin == 1 && tokenizer.token_bytes(answer[0]).find_first_not_of(" \n") != std::string_view::npos) return 0;
    if (common(answer.subspan(begin), open) < open.size()) continue;
    const size_t end = begin + open.size();
    return end + (tokenizer.token_bytes(answer[end]) == "\n");
  }
  return 0;
}

}  // namespace

fs::path soft_shard(const fs::path& folder, std::string_view name, int number) {
  return part(folder, name, "", number);
}

SoftRows soft_rows(const Tokenizer& tokenizer, const TrainedConversation& c, const TopLogProbabilities& top) {
  SoftRows rows{std::vector<int32_t>(c.tokens.size(), -1)};
  size_t begin = c.tokens.size();
  while (begin > 0 && c.is_target[begin - 1]) --begin;
  const std::span<const int32_t> answer = std::span(c.tokens).subspan(begin);
  if (answer.empty()) return rows;
  const std::span<const int32_t> drawn = top.tokens;
  size_t first = 0, skipped = 0, count = 0;
  const auto attempt = [&](size_t of_answer, size_t of_drawn) {
    if (of_answer >= answer.size() || of_drawn >= drawn.size()) return;
    const size_t n = common(answer.subspan(of_answer), drawn.subspan(of_drawn));
    if (n > count) first = of_answer, skipped = of_drawn, count = n;
  };
  attempt(0, 0);
  if (const size_t end = end_of_opening(tokenizer, answer); end > 0 && count == 0) attempt(end, 0);
  if (const size_t end = end_of_opening(tokenizer, drawn); end > 0 && count == 0) attempt(0, end);
  for (size_t i = 0; i < count; ++i) rows.row[begin + first + i] = int32_t(skipped + i);
  rows.whole = count > 0 && first + count + 1 >= answer.size();
  return rows;
}

SoftWriter::SoftWriter(uint64_t tokenizer_hash, int32_t vocab_size)
    : vocab_size_(vocab_size),
      row_of_token_(tokenizer_hash, INT32_MAX),
      ids_(tokenizer_hash, vocab_size),
      shares_(tokenizer_hash, INT32_MAX) {}

void SoftWriter::add(const SoftRows& rows, const TopLogProbabilities& top) {
  std::vector<int32_t> number(rows.row.size()), ids, shares;
  for (size_t i = 0; i < rows.row.size(); ++i) {
    if (rows.row[i] < 0) continue;
    if (rows_ == INT32_MAX - 1) user_error("more than {} targets with a teacher's probabilities", rows_);
    number[i] = int32_t(++rows_);
    const size_t begin = size_t(rows.row[i]) * top.k(), end = begin + top.k();
    double mass = 0;  // may be a little above 1: its logarithms were rounded
    for (size_t k = begin; k < end; ++k) mass += std::exp(double(top.log_probabilities[k]));
    ids.clear(), shares.clear();
    for (size_t k = begin; k < end; ++k) {
      if (top.ids[k] >= vocab_size_) continue;
      ids.push_back(top.ids[k]);
      const double p = std::exp(double(top.log_probabilities[k])) / std::max(mass, 1.0);
      shares.push_back(std::bit_cast<int32_t>(float(p)));
    }
    ids_.add(ids, 0), shares_.add(shares, 0);
  }
  row_of_token_.add(number, 0);
}

void SoftWriter::write(const fs::path& folder, std::string_view name, int number) {
  row_of_token_.write(part(folder, name, "", number));
  ids_.write(part(folder, name, "-ids", number));
  shares_.write(part(folder, name, "-shares", number));
  row_of_token_.clear(), ids_.clear(), shares_.clear();
}

SoftSet::SoftSet(const fs::path& folder, std::string_view name, int shards, const TokenSet& tokens) {
  std::vector<fs::path> of_tokens, ids, shares;
  for (int i = 0; i < shards; ++i) {
    of_tokens.push_back(part(folder, name, "", i));
    ids.push_back(part(folder, name, "-ids", i)), shares.push_back(part(folder, name, "-shares", i));
  }
  row_of_token_ = TokenSet(of_tokens), ids_ = TokenSet(ids), shares_ = TokenSet(shares);
  bool same =
      row_of_token_.num_documents() == tokens.num_documents() && ids_.num_documents() == shares_.num_documents();
  for (uint64_t d = 0; same && d < tokens.num_documents(); ++d)
    same = row_of_token_.document_length(d) == tokens.document_length(d);
  for (uint64_t r = 0; same && r < ids_.num_documents(); ++r) {
    same = ids_.document_length(r) == shares_.document_length(r);
    k_ = std::max(k_, int64_t(ids_.document_length(r)));
  }
  if (!same || k_ > kMostTopLogProbabilities)
    user_error("{}: the shards of tokens and those of a teacher's probabilities do not belong together",
               folder.string());
}

void SoftSet::copy(int32_t row, int64_t count, int32_t* ids, float* probabilities) const {
  if (row < 1 || uint64_t(row) > ids_.num_documents())
    user_error("the shards of a teacher's probabilities have no row {}: delete the run's data and tokenise again", row);
  const uint64_t r = uint64_t(row) - 1, length = ids_.document_length(r);
  check(int64_t(length) <= count, "SoftSet::copy: room for a row");
  std::fill_n(ids, count, -1), std::fill_n(probabilities, count, 0.0F);
  ids_.copy_document(r, 0, length, ids);
  std::vector<int32_t> bits(length);
  shares_.copy_document(r, 0, length, bits.data());
  for (uint64_t k = 0; k < length; ++k) probabilities[k] = std::bit_cast<float>(bits[k]);
}

}  // namespace minke
