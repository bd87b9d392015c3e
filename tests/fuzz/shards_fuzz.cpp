// libFuzzer: any bytes are either token shards of which every token and document can be read, or a UserError. With an
// odd first byte the checksums are made right, so that what lies behind them is reached too.
#include "data/shards.h"

#include <cstdint>
#include <cstring>

#include "core/error.h"
#include "data/hash.h"
#include "fuzz/input_file.h"

namespace {

// The layout of the header as in shards.cpp: width at 12, counts at 16 and 24, hashes at 48 (payload) and 56 (header).
void make_checksums_right(std::string& bytes) {
  if (bytes.size() < 64) return;
  uint32_t width;
  uint64_t tokens, documents;
  std::memcpy(&width, bytes.data() + 12, sizeof width);
  std::memcpy(&tokens, bytes.data() + 16, sizeof tokens);
  std::memcpy(&documents, bytes.data() + 24, sizeof documents);
  const std::string_view payload = std::string_view(bytes).substr(64);
  if (width <= 8 && tokens <= payload.size() && documents <= payload.size()) {
    const size_t token_bytes = tokens * width, offsets = (token_bytes + 7) / 8 * 8, lengths = (documents + 1) * 8;
    if (offsets + lengths <= payload.size()) {
      const uint64_t hash =
          minke::hash64(payload.substr(offsets + lengths),
                        minke::hash64(payload.substr(offsets, lengths), minke::hash64(payload.substr(0, token_bytes))));
      std::memcpy(bytes.data() + 48, &hash, sizeof hash);
    }
  }
  const uint64_t hash = minke::hash64(std::string_view(bytes).substr(0, 56));
  std::memcpy(bytes.data() + 56, &hash, sizeof hash);
}

void read_all(const minke::TokenSet& set) {
  std::vector<int32_t> tokens(set.num_tokens() + 1);
  set.copy(0, set.num_tokens(), tokens.data());
  for (uint64_t i = 0; i < set.num_tokens(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= set.vocab_size()) __builtin_trap();
    const auto place = set.document_at(i);
    if (place.begin > i || i - place.begin >= set.document_length(place.document)) __builtin_trap();
  }
  for (uint64_t d = 0; d < set.num_documents(); ++d) set.copy_document(d, 0, set.document_length(d), tokens.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static minke::InputFile file("x.bin");
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) make_checksums_right(bytes);
  file.write(bytes);
  try {
    read_all(minke::TokenSet({file.path(), file.path()}));
  } catch (const minke::UserError&) {
  }
  return 0;
}
