// minke grade: a file of responses, each with what is right → src/reward.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "core/files.h"
#include "core/standard_output.h"
#include "core/threads.h"
#include "data/json_lines.h"
#include "reward/code_lines.h"

namespace minke {
namespace {

struct GradeOptions {
  GradeKind kind = GradeKind::math;
  std::string jsonl, out;
};

// Where the lines go, and how many of them were right.
class Graded {
 public:
  explicit Graded(const std::string& out) {
    if (!out.empty()) file_.emplace(out);
  }
  void write(std::string line) {
    line += '\n';
    if (file_) file_->write(line);
    else print_out(line);
  }
  void write(GradedLine graded) {
    ++responses_;
    strict_ += graded.grade.strict, lenient_ += graded.grade.lenient;
    write(std::move(graded.line));
  }
  void finish() {
    if (file_) file_->commit();
    const double n = responses_ == 0 ? 1 : double(responses_);
    print_note(fmt::format("{} responses: strict {:g} ({:.1f} %), lenient {:g} ({:.1f} %)", responses_, strict_,
                           100 * strict_ / n, lenient_, 100 * lenient_ / n));
  }

 private:
  std::optional<AtomicFile> file_;
  size_t responses_ = 0;
  double strict_ = 0, lenient_ = 0;
};

// Programs are run, several at a time. Twice as many as processors, because each waits for the kernel about half of its time.
void grade_programs(LineReader& lines, Graded& graded) {
  constexpr size_t kAtOnce = 256;
  const Sandbox sandbox;
  const int workers = 2 * hardware_threads();
  std::vector<NumberedLine> programs;
  std::vector<std::string> blank;  // these stay, each behind as many programs as blank_after says
  std::vector<size_t> blank_after;
  bool more = true;
  for (std::string line; more;) {
    programs.clear(), blank.clear(), blank_after.clear();
    while (programs.size() < kAtOnce && blank.size() < kAtOnce && (more = lines.next(line))) {
      if (!is_blank(line)) programs.push_back({line, lines.where()});
      else blank.push_back(line), blank_after.push_back(programs.size());
    }
    std::vector<GradedLine> grades = grade_code_lines(sandbox, programs, workers);
    size_t next_blank = 0;
    for (size_t i = 0; i <= grades.size(); ++i) {
      while (next_blank < blank.size() && blank_after[next_blank] == i) graded.write(std::move(blank[next_blank++]));
      if (i < grades.size()) graded.write(std::move(grades[i]));
    }
  }
}

void run(const GradeOptions& o) {
  refuse_own_input(o.out, o.jsonl);
  Graded graded(o.out);
  LineReader lines(o.jsonl, kMaxDocumentBytes);
  if (o.kind == GradeKind::code) {
    grade_programs(lines, graded);
  } else {
    for (std::string line; lines.next(line);) {
      // Blank lines stay, so that a line has the same number in both files.
      if (is_blank(line)) graded.write(std::move(line));
      else graded.write(grade_line(o.kind, line, lines.where()));
    }
  }
  graded.finish();
}

}  // namespace

void add_grade_command(CLI::App& program) {
  auto o = std::make_shared<GradeOptions>();
  CLI::App* c = program.add_subcommand("grade", "Say of each response in a file whether it is right, and why not");
  set_example(*c, "minke grade --kind math --jsonl responses.jsonl --out graded.jsonl");
  add_choice(*c, "--kind", o->kind,
             "What is right: the same mathematical answer; an expression; the tags; a program that passes its tests; "
             "the language");
  c->add_option("--jsonl", o->jsonl, "File with a line {\"prompt\": …, \"response\": …, \"answer\": …} each")
      ->required();
  c->add_option("--out", o->out, "File to write: the same lines with strict, lenient and reason; default: print them");
  c->callback([o] { run(*o); });
}

}  // namespace minke
