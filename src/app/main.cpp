// minke VERB: parses the verb and its flags, runs it, and turns failures into one message and an exit code:
// 0 done, 1 a bug of ours, 2 a mistake in what we were given, 130 stopped by Ctrl-C.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "app/command_line.h"
#include "app/commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/standard_output.h"
#include "core/vanished_files.h"

namespace {

void add_verbs(CLI::App& program) {
  struct Verb {
    const char* group;
    void (*add)(CLI::App& program);
  };
  constexpr Verb kVerbs[] = {
      {"Train a model", minke::add_pretrain_command},     {"Train a model", minke::add_sft_command},
      {"Train a model", minke::add_reward_model_command}, {"Train a model", minke::add_grpo_command},
      {"Train a model", minke::add_ppo_command},          {"Train a model", minke::add_sample_command},
      {"Train a model", minke::add_distill_command},      {"Train a model", minke::add_pipeline_command},
      {"Train a model", minke::add_report_command},       {"Use a model", minke::add_generate_command},
      {"Use a model", minke::add_chat_command},           {"Use a model", minke::add_serve_command},
      {"Use a model", minke::add_eval_command},           {"Use a model", minke::add_grade_command},
      {"Use a model", minke::add_convert_command},        {"Inspect a model", minke::add_inspect_command},
      {"Inspect a model", minke::add_score_command},      {"Text and tokens", minke::add_tokenizer_command},
      {"Text and tokens", minke::add_template_command},   {"Text and tokens", minke::add_corpus_command},
      {"This machine", minke::add_doctor_command},        {"This machine", minke::add_bench_command},
      {"This machine", minke::add_init_command}};
  for (const Verb& verb : kVerbs) {
    verb.add(program);
    program.get_subcommands([](CLI::App*) { return true; }).back()->group(verb.group);
  }
  minke::check_values(program);
}

int run(CLI::App& program, std::vector<std::string> arguments) {
  const auto show_overview = [&] {
    minke::print_out(minke::overview(program));
    minke::flush_out();
    return 2;
  };
  if (arguments.empty()) return show_overview();
  minke::check_verbs(program, arguments);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    program.parse(arguments);
  } catch (const CLI::RuntimeError& e) {
    return e.get_exit_code();  // a command that ended early on purpose (130: Ctrl-C)
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0) minke::user_error("{}", minke::explain(program, e));
    program.exit(e);  // --help, --version
    std::cout.flush();
    minke::flush_out();
    return 0;
  }
  if (program.get_subcommands().empty()) return show_overview();  // "minke --"
  minke::flush_out();
  return 0;
}

int fail(int code, const char* kind, const std::exception& e) {
  std::fflush(stdout);
  std::fprintf(stderr, "minke: %s%s\n", kind, e.what());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  minke::reserve_standard_streams();
  minke::end_on_vanished_files();
  CLI::App program("minke: DeepSeek's recipe in one program", "minke");
  program.set_version_flag("--version", "minke 0.1.0");
  minke::set_example(program, "minke pretrain runs/stories.toml");
  add_verbs(program);
  try {
    try {
      return run(program, {argv + 1, argv + argc});
    } catch (const std::system_error&) {  // fmt::print's, where it cannot write
      if (!std::ferror(stdout)) throw;
      minke::flush_out();
      return 2;
    }
  } catch (const minke::UserError& e) {
    return fail(2, "", e);
  } catch (const std::filesystem::filesystem_error& e) {  // a path that the system refuses to look at
    return fail(2, "", e);
  } catch (const std::exception& e) {
    return fail(1, "internal error: ", e);
  }
}
