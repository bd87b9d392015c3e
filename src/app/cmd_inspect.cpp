// minke inspect: what a model is, exactly how large, and what it costs to run, from its config.json alone; with a
// folder of weights also whether the tensors are the ones the config asks for.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/model_flag.h"
#include "core/error.h"
#include "core/standard_output.h"
#include "model/checkpoint.h"
#include "spec/counts.h"
#include "spec/describe.h"

namespace minke {
namespace {

struct Options {
  std::string model, config;
  int64_t context = 0;
  bool tensors = false, json = false;
};

// A link to nothing counts: it is said to be one.
bool has_weights(const fs::path& folder) {
  return fs::exists(fs::symlink_status(folder / "model.safetensors")) ||
         fs::exists(fs::symlink_status(folder / "model.safetensors.index.json"));
}

void run(const Options& o) {
  const fs::path source = o.model.empty() ? o.config : o.model;
  std::optional<CheckpointFiles> files;
  if (!o.model.empty() && (is_gguf(o.model) || has_weights(o.model))) files = open_checkpoint(o.model, kAllMtp);
  if (files)
    for (const std::string& note : files->notes) print_note(note);
  if (!files) refuse_folder_of_gguf(source, "config.json");
  const Config config = files ? files->config : load_config(source);
  const int64_t context = o.context > 0 ? o.context : config.max_position_embeddings;
  const std::vector<Parameter> all = o.tensors || !o.model.empty() ? parameters(config) : std::vector<Parameter>();

  std::vector<std::string> dtypes;  // of all, if there are weights
  if (files)
    for (const Parameter& p : all) {
      const WeightInfo* found = files->weights.find(p.name);
      dtypes.emplace_back(found ? found->format : "-");
    }
  if (o.json) {
    Json out = describe_json(config, context);
    if (o.tensors)
      for (size_t i = 0; i < all.size(); ++i) {
        Json t = {
            {"name", all[i].name}, {"symbol", all[i].symbol}, {"shape", all[i].shape}, {"part", name_of(all[i].part)}};
        if (!dtypes.empty()) t["dtype"] = dtypes[i];
        out["tensors"].push_back(std::move(t));
      }
    fmt::print("{}\n", out.dump(2));
    return;
  }
  fmt::print("{}\n{}", source.string(), describe_text(config, context));
  if (!dtypes.empty())
    fmt::print("weights      all {} tensors are present with the shapes of {}\n", all.size(),
               files->weights.gguf() ? "the metadata" : "config.json");
  if (o.tensors) {
    fmt::print("\n{:<64} {:<12} {:<16} {}\n", "tensor", "symbol", "shape", dtypes.empty() ? "part" : "in the file");
    for (size_t i = 0; i < all.size(); ++i)
      fmt::print("{:<64} {:<12} {:<16} {}\n", all[i].name, all[i].symbol, shape_text(all[i].shape),
                 dtypes.empty() ? name_of(all[i].part) : dtypes[i]);
  }
}

}  // namespace

void add_inspect_command(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("inspect", "Show a model's architecture, its size and the size of its cache");
  set_example(*command, "minke inspect -m runs/out/quickstart/latest");
  const auto options = std::make_shared<Options>();
  CLI::Option* model = add_model_flag(*command, options->model);
  command->add_option("--config", options->config, "A config.json alone; no weights needed")->excludes(model);
  command
      ->add_option("-c,--ctx-size", options->context, "Context length for the cache size; 0 = max_position_embeddings")
      ->check(CLI::Range(int64_t(0), int64_t(1) << 40))
      ->capture_default_str();
  command->add_flag("--tensors", options->tensors, "List every tensor: name, symbol in the papers, shape");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options] {
    if (options->model.empty() && options->config.empty()) throw CLI::RequiredError("-m MODEL or --config FILE");
    run(*options);
  });
}

}  // namespace minke
