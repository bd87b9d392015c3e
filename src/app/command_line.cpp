#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "core/error.h"

namespace minke {
namespace {

constexpr const char* kExample = "Example: ";
constexpr const char* kDoesNotFit = " does not fit into 64 bits; the nearest number that does is";

std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string example_of(const CLI::App& verb) {
  const std::string footer = verb.get_footer();
  return footer.starts_with(kExample) ? footer.substr(std::string_view(kExample).size()) : "";
}

std::string for_example(const CLI::App& verb) {
  const std::string line = example_of(verb);
  return line.empty() ? fmt::format(" (see {} --help)", verb.get_name()) : ". For example: " + line;
}

// "machine, kernels or train"
std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) out += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  return out;
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& verbs) {
  std::vector<std::string> names;
  for (const CLI::App* verb : verbs) names.push_back(verb->get_name());
  return names;
}

std::string full_name(const CLI::App& verb) {
  const CLI::App* parent = verb.get_parent();
  return parent && parent->get_parent() ? fmt::format("{} {}", parent->get_name(), verb.get_name()) : verb.get_name();
}

[[noreturn]] void unknown_verb(const CLI::App& program, const CLI::App& at, const std::string& name) {
  const auto names = names_of(verbs_of(at));
  const std::string near = nearest(name, names), parent = &at == &program ? "" : at.get_name() + " ";
  if (!near.empty())
    user_error("there is no verb \"{}{}\"; did you mean minke {}{}?", parent, printable(name), parent, near);
  user_error("there is no verb \"{}{}\"; {} {}", parent, printable(name),
             parent.empty() ? "the verbs are" : "the verbs of " + parent + "are", listed(names));
}

// The verb whose arguments are being read.
const CLI::App& verb_in_use(const CLI::App& program) {
  const CLI::App* verb = &program;
  for (auto inner = verb->get_subcommands(); !inner.empty(); inner = verb->get_subcommands()) verb = inner.back();
  return *verb;
}

std::string explain_extra(const CLI::App& program, const CLI::App& verb) {
  const std::vector<std::string> before = program.remaining(), extra = verb.remaining();
  if (&verb != &program && !before.empty())
    return fmt::format("{} comes before the verb, but flags come after it: minke {} {}", printable(before[0]),
                       full_name(verb), printable(before[0]));
  const auto flag = std::find_if(extra.begin(), extra.end(), [](const auto& e) { return e.starts_with('-'); });
  const std::string argument = extra.empty() ? "" : flag != extra.end() ? *flag : extra[0];
  const std::string name = argument.substr(0, argument.find('='));
  if (!name.starts_with('-'))
    return fmt::format("{}: \"{}\" is one argument too many (see minke {} --help)", full_name(verb),
                       printable(argument), full_name(verb));
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& n : option->get_lnames()) names.push_back("--" + n);
    for (const std::string& n : option->get_snames()) names.push_back("-" + n);
  }
  const std::string near = nearest(name, names), whole = full_name(verb);
  const std::string command = &verb == &program ? "minke" : "minke " + whole;
  return fmt::format("{}there is no flag {}{} ({} --help lists them)", &verb == &program ? "" : whole + ": ",
                     printable(name), near.empty() ? "" : "; did you mean " + near + "?", command);
}

const CLI::Option* first_missing(const CLI::App& verb) {
  for (const CLI::Option* option : verb.get_options())
    if (option->get_required() && option->count() == 0) return option;
  return nullptr;
}

// The option that a message of CLI11 is about.
const CLI::Option* option_named_in(const CLI::App& verb, const std::string& message) {
  const CLI::Option* found = nullptr;
  for (const CLI::Option* option : verb.get_options()) {
    const std::string name = option->get_name();
    const size_t at = message.find(name);
    const bool whole =
        at != message.npos && (at + name.size() == message.size() ||
                               std::string_view(" :,").find(message[at + name.size()]) != std::string::npos);
    if (whole && (!found || name.size() > found->get_name().size())) found = option;
  }
  return found;
}

std::string explain_value(const CLI::Option& option, const std::string& message) {
  const std::string name = option.get_name(), type = option.get_type_name();
  const std::string value = option.count() > 0 ? printable(option.results().back()) : "";
  const size_t most = size_t(option.get_items_expected_max());
  if (most > 0 && option.count() > most)
    return option.get_positional() ? fmt::format("{} takes one value, but {} were given", name, option.count())
                                   : fmt::format("{} was given {} times; give it once", name, option.count());
  if (message.find("missing") != message.npos || option.count() == 0)
    return fmt::format("{} needs a value ({})", name, option.get_description());
  if (message.find(kDoesNotFit) != message.npos) return message;
  const std::string wanted = type.starts_with("INT")                                   ? "a whole number"
                             : type.starts_with("UINT")                                ? "a whole number of at least 0"
                             : type.starts_with("FLOAT") || type.starts_with("NUMBER") ? "a number"
                                                                                       : "";
  if ((message.find("onvert") != message.npos || type.starts_with("UINT")) && !wanted.empty())
    return fmt::format("{} {}: {} is needed", name, value, wanted);
  return message;
}

// What is wrong with the value of a flag, or "".
std::string not_finite(const std::string& value) {
  return std::isfinite(std::strtod(value.c_str(), nullptr)) ? "" : value + " is not a finite number";
}
// CLI11 takes the nearest number that fits for one that does not.
std::string no_int64(const std::string& value) {
  errno = 0;
  const long long nearest = std::strtoll(value.c_str(), nullptr, 0);
  return errno == ERANGE ? fmt::format("{}{} {}", value, kDoesNotFit, nearest) : "";
}
std::string no_uint64(const std::string& value) {
  errno = 0;
  const unsigned long long nearest = std::strtoull(value.c_str(), nullptr, 0);
  return errno == ERANGE ? fmt::format("{}{} {}", value, kDoesNotFit, nearest) : "";
}
std::string no_name(const std::string& value) {
  if (value == "-") return "- is no file: standard output is /dev/stdout, a file of that name ./-";
  return value.empty() ? "the name is empty" : "";
}
std::string no_checkpoint(const std::string& value) {
  const std::filesystem::path folder = value, latest = folder / "latest";
  std::error_code none;
  if (std::filesystem::exists(folder / "config.json", none) || !std::filesystem::exists(latest / "config.json", none))
    return "";
  return fmt::format("{} is the folder of a run: give one of its checkpoints, such as {}", value, latest.string());
}

}  // namespace

void set_example(CLI::App& verb, const std::string& line) { verb.footer(kExample + line); }

std::string overview(const CLI::App& program) {
  std::vector<std::string> groups;
  std::map<std::string, std::string> lines;
  for (const CLI::App* verb : verbs_of(program)) {
    std::string& of_group = lines[verb->get_group()];
    if (of_group.empty()) groups.push_back(verb->get_group());
    of_group += fmt::format("  {:<10} {}\n", verb->get_name(), verb->get_description());
  }
  std::string out = program.get_description() + "\n";
  for (const std::string& group : groups) out += fmt::format("\n{}:\n{}", group, lines[group]);
  return out + fmt::format("\nminke VERB --help shows the flags of a verb. To start: {}\n", example_of(program));
}

void check_verbs(const CLI::App& program, std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments[0] == "help") {
    arguments.erase(arguments.begin());
    arguments.push_back("--help");
  }
  const CLI::App* at = &program;
  for (const std::string& argument : arguments) {
    const auto verbs = verbs_of(*at);
    if (verbs.empty() || argument == "-h" || argument == "--help") return;  // its own arguments
    if (argument.starts_with('-')) break;
    const auto found =
        std::find_if(verbs.begin(), verbs.end(), [&](const CLI::App* v) { return v->get_name() == argument; });
    if (found == verbs.end()) unknown_verb(program, *at, argument);
    at = *found;
  }
  if (const auto verbs = verbs_of(*at); at->get_require_subcommand_min() > 0 && !verbs.empty())
    user_error("{} needs a verb after it: {}{}", at->get_name(), listed(names_of(verbs)), for_example(*verbs[0]));
}

std::string explain(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App& verb = verb_in_use(program);
  const std::string message = error.what(), in = &verb == &program ? "" : full_name(verb) + ": ";
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) return explain_extra(program, verb);
  if (dynamic_cast<const CLI::RequiredError*>(&error)) {
    for (const std::string& extra : verb.remaining())
      if (extra.starts_with('-') && extra.size() > 1)
        return explain_extra(program, verb);  // perhaps it is the missing one
    if (const CLI::Option* option = first_missing(verb))
      return fmt::format("{}{} is missing ({}){}", in, option->get_name(false, true), option->get_description(),
                         for_example(verb));
    return fmt::format("{}{}{}", in, message, for_example(verb));
  }
  const CLI::Option* option = option_named_in(verb, message);
  return in + (option ? explain_value(*option, message) : message);
}

void check_values(CLI::App& program) {
  for (CLI::Option* option : program.get_options()) {
    const std::string type = option->get_type_name();
    if (type.starts_with("FLOAT")) option->check(&not_finite);
    if (type.starts_with("INT")) option->check(&no_int64);
    if (type.starts_with("UINT")) option->check(&no_uint64);
    for (const char* written : {"out", "counts", "sometimes", "responses", "json"})
      if (option->get_type_size_max() > 0 && option->check_lname(written)) option->check(&no_name);
    if (option->check_lname("model") || option->check_lname("tokenizer") || option->get_name() == "from")
      option->check(&no_checkpoint);
  }
  for (CLI::App* verb : program.get_subcommands([](CLI::App*) { return true; })) check_values(*verb);
}

void refuse_own_input(const std::string& out, const std::string& input, std::string_view flag) {
  std::error_code none;
  if (std::filesystem::equivalent(out, input, none))
    user_error("{} {}: that is the file {} to be read, and it would be lost: name another", flag, out, input);
}

void refuse_model_file(const std::string& out, const std::string& model, std::string_view flag) {
  namespace fs = std::filesystem;
  refuse_own_input(out, model, flag);
  const std::string name = fs::path(out).filename().string();
  const bool is_of_a_model = name.find("config.json") != name.npos || name.find("token") != name.npos ||
                             name.ends_with(".safetensors") || name.ends_with(".index.json") ||
                             name.ends_with(".jinja");
  if (is_of_a_model) refuse_own_input(out, (fs::path(model) / name).string(), flag);
}

}  // namespace minke
