#include "data/shards.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "core/error.h"
#include "data/hash.h"

namespace minke {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are little-endian and mapped as they are");

// Then: tokens, padded with zeros to 8 bytes; offsets u64 [documents + 1]; text bytes u64 [documents].
struct Header {
  char magic[8];
  uint32_t version, width;
  uint64_t num_tokens, num_documents, tokenizer_hash;
  uint32_t vocab_size, reserved;
  uint64_t payload_hash;
  uint64_t header_hash;  // of the bytes before it
};
static_assert(sizeof(Header) == 64);
constexpr char kMagic[8] = {'M', 'N', 'K', 'S', 'H', 'A', 'R', 'D'};
constexpr uint32_t kVersion = 1;

uint64_t padded(uint64_t bytes) { return (bytes + 7) / 8 * 8; }

std::string_view bytes_of(const auto& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])};
}

uint64_t header_hash(const Header& header) {
  return hash64({reinterpret_cast<const char*>(&header), offsetof(Header, header_hash)});
}

// The three parts are hashed one after the other, so that the writer needs no copy of them in one piece.
uint64_t payload_hash(std::string_view tokens, std::string_view offsets, std::string_view text_bytes) {
  return hash64(text_bytes, hash64(offsets, hash64(tokens)));
}

template <class T> uint32_t largest_of(const std::byte* tokens, uint64_t count) {
  T largest = 0;
  for (uint64_t i = 0; i < count; ++i) {
    T id;
    std::memcpy(&id, tokens + i * sizeof(T), sizeof(T));
    largest = std::max(largest, id);
  }
  return largest;
}

}  // namespace

ShardWriter::ShardWriter(uint64_t tokenizer_hash, int32_t vocab_size)
    : tokenizer_hash_(tokenizer_hash), vocab_size_(vocab_size), width_(vocab_size <= 65536 ? 2 : 4) {
  check(vocab_size > 0, "shard vocabulary is not empty");
}

void ShardWriter::add(std::span<const int32_t> tokens, uint64_t text_bytes) {
  for (int32_t id : tokens) check(id >= 0 && id < vocab_size_, "token id inside the vocabulary");
  if (width_ == 2) narrow_.insert(narrow_.end(), tokens.begin(), tokens.end());
  else wide_.insert(wide_.end(), tokens.begin(), tokens.end());
  offsets_.push_back(offsets_.back() + tokens.size());
  text_bytes_.push_back(text_bytes);
}

void ShardWriter::clear() {
  narrow_.clear();
  wide_.clear();
  offsets_.assign(1, 0);
  text_bytes_.clear();
}

void ShardWriter::write(const fs::path& path) const {
  const std::string_view tokens = width_ == 2 ? bytes_of(narrow_) : bytes_of(wide_);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.width = width_;
  header.num_tokens = num_tokens();
  header.num_documents = num_documents();
  header.tokenizer_hash = tokenizer_hash_;
  header.vocab_size = uint32_t(vocab_size_);
  header.payload_hash = payload_hash(tokens, bytes_of(offsets_), bytes_of(text_bytes_));
  header.header_hash = header_hash(header);
  AtomicFile file(path);
  file.write(&header, sizeof header);
  file.write(tokens);
  constexpr char kZeros[8] = {};
  file.write(kZeros, padded(tokens.size()) - tokens.size());
  file.write(bytes_of(offsets_));
  file.write(bytes_of(text_bytes_));
  file.commit();
}

Shard::Shard(const fs::path& path) : file_(path) {
  const auto damaged = [&](std::string_view what) {
    user_error("{}: {}. Delete the file (or its folder) and tokenise again", path.string(), what);
  };
  const std::string_view text = file_.text();
  Header header;
  if (text.size() < sizeof header) damaged(fmt::format("{} bytes are too few for a token shard", text.size()));
  std::memcpy(&header, text.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) damaged("not a token shard of minke");
  if (header.version != kVersion)
    damaged(fmt::format("shard version {}, this program reads version {}", header.version, kVersion));
  if (header.header_hash != header_hash(header)) damaged("the header is damaged (checksum)");
  if (header.width != 2 && header.width != 4) damaged(fmt::format("token width {}, expected 2 or 4", header.width));
  if (header.vocab_size == 0 || header.vocab_size > uint32_t(INT32_MAX))
    damaged(fmt::format("vocabulary of {}", header.vocab_size));
  const uint64_t size = text.size() - sizeof header;
  // Bounds first: a product of hostile counts must not wrap around.
  if (header.num_tokens > size / header.width || header.num_documents > size / 16)
    damaged(fmt::format("cut off: {} tokens and {} documents do not fit into {} bytes", header.num_tokens,
                        header.num_documents, text.size()));
  const uint64_t token_bytes = header.num_tokens * header.width, offset_bytes = (header.num_documents + 1) * 8;
  const uint64_t expected = padded(token_bytes) + offset_bytes + header.num_documents * 8;
  if (size != expected) damaged(fmt::format("{} bytes, expected {}", text.size(), expected + sizeof header));
  const std::string_view payload = text.substr(sizeof header);
  const std::string_view offsets = payload.substr(padded(token_bytes), offset_bytes);
  const std::string_view bytes = payload.substr(padded(token_bytes) + offset_bytes);
  if (header.payload_hash != payload_hash(payload.substr(0, token_bytes), offsets, bytes))
    damaged("the tokens are damaged (checksum)");
  num_tokens_ = header.num_tokens;
  num_documents_ = header.num_documents;
  tokenizer_hash_ = header.tokenizer_hash;
  width_ = header.width;
  vocab_size_ = int32_t(header.vocab_size);
  tokens_ = reinterpret_cast<const std::byte*>(payload.data());
  offsets_ = reinterpret_cast<const uint64_t*>(offsets.data());
  text_bytes_ = reinterpret_cast<const uint64_t*>(bytes.data());
  // A checksum is no signature: whoever wrote the file may have computed it over nonsense.
  if (offsets_[0] != 0 || offsets_[num_documents_] != num_tokens_)
    damaged("the document offsets do not span the tokens");
  for (uint64_t d = 0; d < num_documents_; ++d) {
    if (offsets_[d] > offsets_[d + 1]) damaged(fmt::format("document {} ends before it begins", d));
    if (text_bytes_[d] > uint64_t(1) << 48) damaged(fmt::format("document {} claims {} bytes", d, text_bytes_[d]));
  }
  const uint32_t largest =
      width_ == 2 ? largest_of<uint16_t>(tokens_, num_tokens_) : largest_of<uint32_t>(tokens_, num_tokens_);
  if (largest >= header.vocab_size && num_tokens_ > 0)
    damaged(fmt::format("token id {} in a vocabulary of {}", largest, header.vocab_size));
}

void Shard::copy(uint64_t begin, uint64_t count, int32_t* out) const {
  check(begin <= num_tokens_ && count <= num_tokens_ - begin, "tokens inside the shard");
  const std::byte* from = tokens_ + begin * width_;
  if (width_ == 2) {
    for (uint64_t i = 0; i < count; ++i) {
      uint16_t id;
      std::memcpy(&id, from + 2 * i, 2);
      out[i] = id;
    }
  } else if (count) {
    std::memcpy(out, from, count * 4);
  }
}

TokenSet::TokenSet(const std::vector<fs::path>& paths) {
  for (const fs::path& path : paths) {
    shards_.emplace_back(path);
    const Shard& shard = shards_.back();
    if (shard.tokenizer_hash() != shards_[0].tokenizer_hash() || shard.vocab_size() != shards_[0].vocab_size())
      user_error("{} and {} come from different tokenizers. Tokenise both again", paths[0].string(), path.string());
    token_begin_.push_back(token_begin_.back() + shard.num_tokens());
    document_begin_.push_back(document_begin_.back() + shard.num_documents());
    for (uint64_t d = 0; d < shard.num_documents(); ++d) text_bytes_ += shard.text_bytes(d);
  }
}

size_t TokenSet::shard_of_document(uint64_t document) const {
  check(document < num_documents(), "document inside the set");
  return size_t(std::upper_bound(document_begin_.begin(), document_begin_.end(), document) - document_begin_.begin()) -
         1;
}

uint64_t TokenSet::document_length(uint64_t document) const {
  const size_t s = shard_of_document(document);
  const uint64_t d = document - document_begin_[s];
  return shards_[s].document_begin(d + 1) - shards_[s].document_begin(d);
}

uint64_t TokenSet::document_bytes(uint64_t document) const {
  const size_t s = shard_of_document(document);
  return shards_[s].text_bytes(document - document_begin_[s]);
}

void TokenSet::copy_document(uint64_t document, uint64_t begin, uint64_t count, int32_t* out) const {
  const size_t s = shard_of_document(document);
  const uint64_t d = document - document_begin_[s], first = shards_[s].document_begin(d);
  check(begin + count <= shards_[s].document_begin(d + 1) - first, "tokens inside the document");
  shards_[s].copy(first + begin, count, out);
}

void TokenSet::copy(uint64_t begin, uint64_t count, int32_t* out) const {
  check(begin + count <= num_tokens(), "tokens inside the set");
  size_t s = size_t(std::upper_bound(token_begin_.begin(), token_begin_.end(), begin) - token_begin_.begin()) - 1;
  while (count > 0) {
    const uint64_t n = std::min(count, token_begin_[s + 1] - begin);
    shards_[s].copy(begin - token_begin_[s], n, out);
    begin += n, count -= n, out += n, ++s;
  }
}

TokenSet::Place TokenSet::document_at(uint64_t position) const {
  check(position < num_tokens(), "position inside the set");
  const size_t s =
      size_t(std::upper_bound(token_begin_.begin(), token_begin_.end(), position) - token_begin_.begin()) - 1;
  const Shard& shard = shards_[s];
  const uint64_t local = position - token_begin_[s];
  uint64_t low = 0, high = shard.num_documents();  // document_begin(low) <= local < document_begin(high)
  while (high - low > 1) {
    const uint64_t middle = (low + high) / 2;
    (shard.document_begin(middle) <= local ? low : high) = middle;
  }
  return {document_begin_[s] + low, token_begin_[s] + shard.document_begin(low)};
}

}  // namespace minke
