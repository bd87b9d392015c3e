// A part of a text that is too long to be looked at whole, as large as wanted and from everywhere in it, in one pass:
// what a tokenizer is trained on. Tested in tests/data/text_sample_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

class TextSample {
 public:
  // At most `bytes` are kept; of documents that are not more than that together, all.
  explicit TextSample(size_t bytes);
  // Documents are cut into pieces, at a line's end where there is one; those with the smallest hashes are kept, so every
  // document has its share, wherever it stands.
  void add(std::string_view document);
  // In the order in which they were added; pieces that follow each other are one text again. Leaves nothing behind.
  std::vector<std::string> take();

 private:
  struct Piece {
    uint64_t hash = 0, number = 0;
    bool begins_document = false;
    std::string text;
    bool operator<(const Piece& other) const { return hash != other.hash ? hash < other.hash : number < other.number; }
  };
  size_t bytes_, piece_bytes_, kept_bytes_ = 0;
  uint64_t pieces_ = 0;
  std::vector<Piece> kept_;  // a heap, the largest hash on top
};

}  // namespace minke
