// One function per genre; corpus.cpp draws the genre and calls it. Its text depends only on what it is given. A genre that
// holds problems (tasks.h) appends their canonical forms to `problems`; all of them are on the training side.
#pragma once
#include <string>
#include <vector>

#include "core/rng.h"
#include "corpus/tasks.h"

namespace minke::corpus {

using Problems = std::vector<std::string>;

std::string story_en(Rng rng);
std::string story_zh(Rng rng);
std::string dialogue_en(Rng rng);
std::string dialogue_zh(Rng rng);
std::string code_text(Rng rng);
// With levels of which one is drawn for each problem; the set must not be empty.
std::string word_problems_text(Rng rng, bool chinese, Levels levels, Problems& problems);
std::string arithmetic_text(Rng rng, Levels levels, Problems& problems);
std::string puzzle_text(Rng rng, Levels levels, Problems& problems);
std::string exercise_text(Rng rng, Levels levels, Problems& problems);
std::string chat_text(Rng rng, bool chinese, Problems& problems);  // of chats.h: some, one after the other

// The text that a base for R1-Zero reads (thoughts.cpp), in the format of prompt.h. Without levels: the usual ones, which
// never are the two hardest.
std::string fact_text(Rng rng);
std::string questions_text(Rng rng, Levels levels, Problems& problems);
std::string chain_text(Rng rng, Levels levels, Problems& problems);
std::string attempt_text(Rng rng, Levels levels, Problems& problems);
std::string check_text(Rng rng, Levels levels, Problems& problems);
std::string countdown_text(Rng rng, Levels levels, Problems& problems);
std::string worked_text(Rng rng, bool chinese, Levels levels, Problems& problems);

// Problems of a level of their kind, of either side of the split.
Task word_problem_en(Rng rng, int level);
Task word_problem_zh(Rng rng, int level);
Task arithmetic_task(Rng rng, int level);
Task countdown_task(Rng rng, int level);
Task chain_task(Rng rng, int level);
Task logic_task(Rng rng, int level);
Task code_task(Rng rng, int level);
Task chat_task(Rng rng, bool chinese);
Task task_of_split(Rng rng, TaskKind kind, int level, TaskSplit split);

}  // namespace minke::corpus
