// libFuzzer: any line of JSON is either a task that is written and read again as the same, or a UserError. What stands
// before a zero byte is a mix of genres and a choice of tasks, as after --kind and --task.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "corpus/corpus.h"
#include "corpus/task_json.h"

namespace {

void read_words(std::string_view words) {
  try {
    const minke::CorpusMix mix = minke::corpus_mix(words, "");
    if (minke::make_document(1, 1, mix).text.empty()) __builtin_trap();
  } catch (const minke::UserError&) {
  }
  try {
    const minke::TaskChoice choice = minke::parse_task_choice(words, "--task");
    if (minke::make_task(1, 1, choice.kind, choice.levels.nth(0)).question.empty()) __builtin_trap();
  } catch (const minke::UserError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    read_words(text.substr(0, zero));
    text.remove_prefix(zero + 1);
  }
  try {
    minke::Task task = minke::task_of_json(minke::parse_json(text, "fuzz"), "fuzz");
    const minke::Json line = minke::parse_json(minke::task_line(task, "chain", 2), "written");
    const minke::Task again = minke::task_of_json(line, "written");
    if (again.question != task.question || again.answer != task.answer || again.grader != task.grader) __builtin_trap();
  } catch (const minke::UserError&) {
  }
  return 0;
}
