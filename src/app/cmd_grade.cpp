// minke grade: a file of responses, each with what is right → src/reward.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "core/files.h"
#include "core/standard_output.h"
#include "data/json_lines.h"
#include "reward/grade_line.h"

namespace minke {
namespace {

struct GradeOptions {
  GradeKind kind = GradeKind::math;
  std::string jsonl, out;
};

void run(const GradeOptions& o) {
  check_gradable(o.kind);
  refuse_own_input(o.out, o.jsonl);
  std::optional<AtomicFile> file;
  if (!o.out.empty()) file.emplace(o.out);
  size_t responses = 0;
  double strict = 0, lenient = 0;
  LineReader lines(o.jsonl, kMaxDocumentBytes);
  for (std::string line; lines.next(line);) {
    // Blank lines stay, so that a line has the same number in both files.
    if (!is_blank(line)) {
      GradedLine graded = grade_line(o.kind, line, lines.where());
      ++responses;
      strict += graded.grade.strict;
      lenient += graded.grade.lenient;
      line = std::move(graded.line);
    }
    line += '\n';
    if (file) file->write(line);
    else print_out(line);
  }
  if (file) file->commit();
  const double n = responses == 0 ? 1 : double(responses);
  print_note(fmt::format("{} responses: strict {:g} ({:.1f} %), lenient {:g} ({:.1f} %)", responses, strict,
                         100 * strict / n, lenient, 100 * lenient / n));
}

}  // namespace

void add_grade_command(CLI::App& program) {
  auto o = std::make_shared<GradeOptions>();
  CLI::App* c = program.add_subcommand("grade", "Say of each response in a file whether it is right, and why not");
  set_example(*c, "minke grade --kind math --jsonl responses.jsonl --out graded.jsonl");
  add_choice(*c, "--kind", o->kind,
             "What is right: the same mathematical answer; an expression; the tags; the language");
  c->add_option("--jsonl", o->jsonl, "File with a line {\"prompt\": …, \"response\": …, \"answer\": …} each")
      ->required();
  c->add_option("--out", o->out, "File to write: the same lines with strict, lenient and reason; default: print them");
  c->callback([o] { run(*o); });
}

}  // namespace minke
