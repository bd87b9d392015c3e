// Token shards, which training reads. A shard is one memory-mapped file: header, token ids (2 or 4 bytes), offsets of the
// documents, UTF-8 bytes of each document (needed for bits per byte). It is written under a temporary name and renamed.
// Sizes, version and checksum are verified before use. Format in shards.cpp. Tested in tests/data/shards_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/files.h"

namespace minke {

// Collects documents in memory and writes them as one shard. Widths: 2 bytes where every id is below 65,536.
class ShardWriter {
 public:
  explicit ShardWriter(uint64_t tokenizer_hash, int32_t vocab_size);
  // `text_bytes`: length of the text of these tokens. An id outside [0, vocab_size) is a BugError.
  void add(std::span<const int32_t> tokens, uint64_t text_bytes);
  uint64_t num_tokens() const { return width_ == 2 ? narrow_.size() : wide_.size(); }
  uint64_t num_documents() const { return text_bytes_.size(); }
  void write(const fs::path& path) const;
  void clear();

 private:
  uint64_t tokenizer_hash_;
  int32_t vocab_size_;
  uint32_t width_;
  std::vector<uint16_t> narrow_;
  std::vector<uint32_t> wide_;
  std::vector<uint64_t> offsets_{0}, text_bytes_;
};

class Shard {
 public:
  // UserError that names the file, unless it is a complete, undamaged shard.
  explicit Shard(const fs::path& path);

  uint64_t num_tokens() const { return num_tokens_; }
  uint64_t num_documents() const { return num_documents_; }
  uint64_t tokenizer_hash() const { return tokenizer_hash_; }
  int32_t vocab_size() const { return vocab_size_; }
  uint64_t document_begin(uint64_t document) const { return offsets_[document]; }  // also at num_documents()
  uint64_t text_bytes(uint64_t document) const { return text_bytes_[document]; }
  void copy(uint64_t begin, uint64_t count, int32_t* out) const;

 private:
  MappedFile file_;
  uint64_t num_tokens_ = 0, num_documents_ = 0, tokenizer_hash_ = 0;
  uint32_t width_ = 2;
  int32_t vocab_size_ = 0;
  const std::byte* tokens_ = nullptr;
  const uint64_t *offsets_ = nullptr, *text_bytes_ = nullptr;
};

// Several shards as one list of documents and one sequence of tokens.
class TokenSet {
 public:
  TokenSet() = default;
  // UserError unless all shards come from the same tokenizer.
  explicit TokenSet(const std::vector<fs::path>& paths);

  uint64_t num_tokens() const { return token_begin_.back(); }
  uint64_t num_documents() const { return document_begin_.back(); }
  uint64_t text_bytes() const { return text_bytes_; }
  uint64_t tokenizer_hash() const { return shards_.empty() ? 0 : shards_[0].tokenizer_hash(); }
  int32_t vocab_size() const { return shards_.empty() ? 0 : shards_[0].vocab_size(); }

  uint64_t document_length(uint64_t document) const;  // tokens
  uint64_t document_bytes(uint64_t document) const;   // UTF-8 bytes of its text
  // `count` tokens of a document from its token `begin` on.
  void copy_document(uint64_t document, uint64_t begin, uint64_t count, int32_t* out) const;
  // `count` tokens from position `begin` of the whole sequence.
  void copy(uint64_t begin, uint64_t count, int32_t* out) const;
  // The document at a position of the whole sequence, and the position where that document begins.
  struct Place {
    uint64_t document, begin;
  };
  Place document_at(uint64_t position) const;

 private:
  size_t shard_of_document(uint64_t document) const;

  std::vector<Shard> shards_;
  std::vector<uint64_t> token_begin_{0}, document_begin_{0};  // [shards + 1]
  uint64_t text_bytes_ = 0;
};

}  // namespace minke
