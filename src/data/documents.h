// Where documents come from: text and JSON Lines files, gzip and zstd of both, folders, globs, and the built-in corpus;
// and which of them are held out of training. The one reader of text for every verb. The order is the same on every machine. Hostile input: memory per document is
// bounded, errors name the file and the line. Tested in tests/data/documents_test.cpp.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"
#include "data/json_lines.h"
#include "data/source_files.h"

namespace minke {

struct DocumentOptions {
  // JSONL: the strings under these keys, joined by a newline; GSM8K is {"question", "answer"}.
  std::vector<std::string> text_keys = {"text"};
  // Text files: false: a file is one document, byte for byte; true: blank lines end a document.
  bool split_blank_lines = false;
  // Text files in parts of some 1 MiB that end with a line, where it does not matter what a document is: learning and
  // measuring a tokenizer.
  bool in_parts = false;
  size_t max_document_bytes = kMaxDocumentBytes;  // a longer document or JSONL line is a UserError
  // "builtin:" and "builtin:KINDS" (corpus_mix): this much text.
  uint64_t builtin_bytes = 4000000, builtin_seed = 1;
  // Grows while documents are read, up to input_bytes(); nobody else may look at it meanwhile.
  uint64_t* consumed = nullptr;
};

// The text is valid during the call only. Text files may hold some bytes that are no UTF-8 (file_format.h); JSONL must be
// UTF-8, as JSON is.
using DocumentSink = std::function<void(std::string_view text)>;

// The files a source names (source_files.h).
std::vector<fs::path> document_files(const std::string& source, const DocumentOptions& options = {});

// All documents of the sources in their order; empty ones are left out.
void read_documents(const std::vector<std::string>& sources, const DocumentOptions& options, const DocumentSink& sink);

// What reading all documents of the sources consumes: bytes of their files as they lie on disk, and of built-in text.
uint64_t input_bytes(const std::vector<std::string>& sources, const DocumentOptions& options);

// How much is held out. At most one of the two is positive.
struct HeldOutOptions {
  double hash_fraction = 0;  // documents whose hash falls into this fraction: an edit elsewhere moves no document
  double tail_fraction = 0;  // the end of every document: for one long text. 0.1 = "last 10 %" of its bytes
};
// Throws UserError unless both fractions are in [0, 1) and one of them is 0.
void check_held_out(const HeldOutOptions& options);

struct DocumentSplit {
  std::string_view train, held_out;  // one of them may be empty
};
// The cut of tail_fraction is at byte floor(size · (1 − fraction)), moved on to the next start of a UTF-8 character.
DocumentSplit split_document(std::string_view text, const HeldOutOptions& options);

}  // namespace minke
