// One function per genre; corpus.cpp draws the genre and calls it. Its text depends only on the Rng that it is given.
#pragma once
#include <string>

#include "core/rng.h"
#include "corpus/tasks.h"

namespace minke::corpus {

std::string story_en(Rng rng);
std::string story_zh(Rng rng);
std::string dialogue_en(Rng rng);
std::string dialogue_zh(Rng rng);
std::string word_problems_text(Rng rng, bool chinese);
std::string arithmetic_text(Rng rng);
std::string code_text(Rng rng);

// Level 1..5.
Task word_problem_en(Rng rng, int level);
Task word_problem_zh(Rng rng, int level);
Task arithmetic_task(Rng rng, int level);

}  // namespace minke::corpus
