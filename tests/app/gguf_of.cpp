// gguf_of FOLDER OUT.gguf TOKENIZER_FOLDER: a model folder as a GGUF file, for tests of the program (support/gguf_fixture.h).
#include <cstdio>
#include <exception>

#include "support/gguf_fixture.h"

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "gguf_of FOLDER OUT.gguf TOKENIZER_FOLDER\n"), 2;
  try {
    minke::test::write_gguf_fixture(argv[1], argv[2], {.tokenizer = argv[3]});
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "gguf_of: %s\n", e.what()), 1;
  }
}
