// A sample of a long text, of a given size and taken from all parts of it, in one pass. Tokenizers are trained on such a
// sample. Tested in tests/data/text_sample_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

class TextSample {
 public:
  // Keeps at most `bytes`. If all documents together are not larger, it keeps all of them.
  explicit TextSample(size_t bytes);
  // Documents are cut into pieces, at line ends where possible. The pieces with the smallest hashes are kept, so every
  // document has the same chance, at any place of the text.
  void add(std::string_view document);
  // The pieces in the order in which they were added; adjacent pieces are joined again. The sample is empty afterwards.
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
