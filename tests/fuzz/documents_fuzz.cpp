// libFuzzer: any bytes under any ending are either documents of bounded size or a UserError. The first byte chooses the
// ending (.txt .jsonl, each plain, .gz, .zst) and whether blank lines end a document.
#include "data/documents.h"

#include <cstdint>
#include <deque>

#include "core/error.h"
#include "fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static std::deque<minke::InputFile> files;
  if (files.empty())
    for (const char* name : {"x.txt", "x.txt.gz", "x.txt.zst", "x.jsonl", "x.jsonl.gz", "x.jsonl.zst"})
      files.emplace_back(name);
  if (size == 0) return 0;
  constexpr size_t kMaxDocument = 1 << 16;
  minke::InputFile& file = files[data[0] % files.size()];
  file.write({reinterpret_cast<const char*>(data) + 1, size - 1});
  try {
    minke::read_documents({file.path().string()},
                          {.split_blank_lines = data[0] >= 128, .max_document_bytes = kMaxDocument},
                          [](std::string_view text) {
                            if (text.empty() || text.size() > kMaxDocument) __builtin_trap();
                          });
  } catch (const minke::UserError&) {
  }
  return 0;
}
