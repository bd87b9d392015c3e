// The program in a response: which part of the text is code. Pure and bounded by the length of the text.
// Test: tests/reward/code_answer_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/programs.h"

namespace minke {

struct FencedBlock {
  std::string tag;  // what stands behind the opening ```: "python"
  std::string text;
  bool closed = true;
};

// Blocks between lines that begin (after up to three spaces) with three or more ` or ~; the closing line has at least as many.
std::vector<FencedBlock> fenced_blocks(std::string_view text);

bool tag_names(std::string_view tag, CodeLanguage language);  // "py", "Python3", "c++" …

struct CodeCandidates {
  std::optional<std::string> strict, lenient;  // programs; lenient is there whenever strict is
  std::string why_not_strict;
};

// text: a response without its thought (response.h). The answer is what <answer>…</answer> holds, or without that all of the text.
// strict: the answer is marked once, by <answer> or by a fenced block with the language's tag, and holds at most one block, closed.
// lenient: the last fenced block of the last answer, whatever its tag, or without any all of it.
// With a prompt (the beginning of a program, as in HumanEval): an answer without a fence continues it, strict as it is, lenient up to
// the first line that begins a statement outside of the function. A block that lacks `def entry_point` continues it, too; one
// that has it stands behind the prompt, so that imports and helpers of the prompt are there.
CodeCandidates code_in(std::string_view text, CodeLanguage language, std::string_view prompt,
                       std::string_view entry_point);

}  // namespace minke
