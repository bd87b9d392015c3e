// minke VERB: parses the verb and its flags, runs it, and turns failures into one message and an exit code:
// 0 done, 1 a bug of ours, 2 a mistake in what we were given, 130 stopped by Ctrl-C.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "app/commands.h"
#include "core/error.h"
#include "core/files.h"

int main(int argc, char** argv) {
  minke::end_on_vanished_files();
  CLI::App program("minke: DeepSeek's recipe in one program", "minke");
  program.require_subcommand(1);
  program.set_version_flag("--version", "minke 0.1.0");
  minke::add_tokenizer_command(program);
  minke::add_corpus_command(program);
  minke::add_score_command(program);
  minke::add_pretrain_command(program);
  minke::add_report_command(program);
  minke::add_generate_command(program);
  minke::add_eval_command(program);
  minke::add_inspect_command(program);
  minke::add_bench_command(program);
  try {
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::RuntimeError& e) {
    return e.get_exit_code();  // a command that ended early on purpose (130: Ctrl-C)
  } catch (const CLI::ParseError& e) {
    return program.exit(e) == 0 ? 0 : 2;
  } catch (const minke::UserError& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "minke: %s\n", e.what());
    return 2;
  } catch (const std::filesystem::filesystem_error& e) {  // a path that the system refuses to look at
    std::fflush(stdout);
    std::fprintf(stderr, "minke: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "minke: internal error: %s\n", e.what());
    return 1;
  }
}
