// minke chat: a conversation with a checkpoint, in a terminal or a pipe.
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/line_editor.h"
#include "app/loaded_model.h"
#include "app/sampling_flags.h"
#include "chat/chat_loop.h"
#include "core/standard_output.h"
#include "report/console.h"

namespace minke {
namespace {

struct ChatOptions {
  InferenceOptions inference;
  SamplingFlags sampling;
  ChatSettings settings;
  std::string system, load;
  bool show_thoughts = false, quiet = false;
};

void chat(ChatOptions& o) {
  ModelSource source = open_model(o.inference.model, o.inference.mtp_modules());
  o.settings.sampling = o.sampling.over(chat_sampling(source.defaults));
  o.settings.sampling.seed = o.inference.runtime.seed;
  validate(o.settings.sampling);
  Conversation before;
  if (!o.load.empty()) before = Conversation::load(o.load);
  LoadedModel loaded(o.inference, source, o.quiet);
  ChatSession session(loaded.ctx(), source, loaded.engine(), o.settings);
  session.conversation() = before;
  if (!o.system.empty()) session.conversation().set_system(o.system);

  LineEditor editor(chat_history_file());
  const auto environment = [](const char* name) { return std::string(std::getenv(name) ? std::getenv(name) : ""); };
  const bool is_terminal = editor.is_terminal() && ::isatty(STDOUT_FILENO) && environment("TERM") != "dumb";
  const auto to_stderr = [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); };
  const Console console(stderr);
  const ChatScreen screen{.read_line = [&](const char* prompt) { return editor.read(prompt); },
                          .write = [](std::string_view text) { print_out(text), flush_out(); },
                          .note = to_stderr,
                          .interrupted = take_interrupt,
                          .is_terminal = is_terminal,
                          .has_colours = is_terminal && environment("NO_COLOR").empty(),
                          .shows_thoughts = o.show_thoughts,
                          .columns = [&] { return console.columns() > 0 ? console.columns() : 80; }};
  if (is_terminal) to_stderr("/help lists the commands; Ctrl-D ends\n");
  const int64_t errors = run_chat(session, screen);
  // A script wants to know; a person has read it.
  if (errors > 0 && !editor.is_terminal()) throw CLI::RuntimeError(2);
}

}  // namespace

void add_chat_command(CLI::App& program) {
  auto o = std::make_shared<ChatOptions>();
  CLI::App* c = program.add_subcommand(
      "chat", "Talk with a checkpoint; sampling is as its generation_config.json says, or as flags say");
  set_example(*c, R"(minke chat -m DeepSeek-R1-Distill-Qwen-1.5B)");
  add_inference_flags(*c, o->inference);
  c->add_option("-n,--n-predict", o->settings.max_new,
                "Largest number of tokens of an answer; 0 = as the context holds")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  c->add_option("--system", o->system, "System message");
  c->add_option("--load", o->load, "Go on with a conversation that /save has written");
  c->add_flag("--trim", o->settings.trim, "Forget the oldest questions when the context is full");
  c->add_flag_callback(
      "--think", [o] { o->settings.thinking = true; }, "Ask the model to think, if its template can say so");
  c->add_flag_callback(
      "--no-think", [o] { o->settings.thinking = false; }, "Ask the model not to think");
  c->add_flag("--show-thoughts", o->show_thoughts, "Show thoughts whole, in a pipe too");
  c->add_flag("-q,--quiet", o->quiet, "Nothing about machine and model");
  o->sampling.add(*c, chat_sampling({}));
  c->callback([o] { chat(*o); });
}

}  // namespace minke
