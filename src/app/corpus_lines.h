// What the verbs below minke corpus have in common that write lines of JSON, each of which is a function of (seed, number, split).
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "corpus/split.h"

namespace minke {

struct CorpusLines {
  std::string out;
  TaskSplit split = TaskSplit::train;
  uint64_t seed = 1;
  int64_t count = 10;
};
// --split, --seed, -n, --out. `count`: what -n is the number of.
void add_corpus_lines_flags(CLI::App& command, CorpusLines& lines, const std::string& count);
// Lines 0, 1, … to --out, which is then complete and said with `what` ("tasks chains:2"), or to standard output.
void write_corpus_lines(const CorpusLines& lines, const std::string& what,
                        const std::function<std::string(uint64_t index)>& line);

}  // namespace minke
