// What stands on the command line, and what a mistake there is answered with: the nearest name for one that does not
// exist, a line that works where something is missing. Test: tests/app/command_line_test.sh.
#pragma once
#include <string>
#include <vector>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace minke {

// A line that works, shown in the verb's help and where something is missing.
void set_example(CLI::App& verb, const std::string& line);

// All verbs, grouped by what people want to do.
std::string overview(const CLI::App& program);

// UserError if the arguments (without the program's name) begin with a verb that does not exist, or lack the second one
// that tokenizer, eval and bench need. "help VERB" becomes "VERB --help".
void check_verbs(const CLI::App& program, std::vector<std::string>& arguments);

// What the flags of all verbs have in common: numbers are finite ("nan" passes CLI11's ranges) and fit, files that are
// written have a name, and a model is a checkpoint, not the folder of a run.
void check_values(CLI::App& program);

// UserError if the file that is to be written is the one that is read.
void refuse_own_input(const std::string& out, const std::string& input, std::string_view flag = "--out");
// The same if it is the file of a model, or by its name a part of a model in the folder `model`.
void refuse_model_file(const std::string& out, const std::string& model, std::string_view flag = "--out");

// The message for what CLI11 has found; without "minke: ".
std::string explain(const CLI::App& program, const CLI::ParseError& error);

}  // namespace minke
