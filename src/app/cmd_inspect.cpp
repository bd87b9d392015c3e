// minke inspect: what a model is, exactly how large, and what it costs to run, from its config.json alone; with a
// folder of weights also whether the tensors are the ones the config asks for.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "core/error.h"
#include "formats/hf_folder.h"
#include "spec/counts.h"
#include "spec/describe.h"

namespace minke {
namespace {

struct Options {
  std::string model, config;
  int64_t context = 0;
  bool tensors = false, json = false;
};

bool has_weights(const fs::path& folder) {
  return fs::exists(folder / "model.safetensors") || fs::exists(folder / "model.safetensors.index.json");
}

std::string file_dtype(const HfFolder& weights, const Parameter& p) {
  const TensorInfo* t = weights.find(p.name);
  if (!t && p.optional_duplicate) return "-";
  const TensorInfo& found = t ? *t : weights.at(p.name);
  if (found.shape != p.shape)
    user_error("{}: {} has the shape {}, but config.json makes it {}; config and weights do not belong together",
               *found.file, p.name, shape_text(found.shape), shape_text(p.shape));
  return name_of(found.dtype);
}

void run(const Options& o) {
  const fs::path source = o.model.empty() ? o.config : o.model;
  const Config config = load_config(source);
  const int64_t context = o.context > 0 ? o.context : config.max_position_embeddings;
  const std::vector<Parameter> all = o.tensors || !o.model.empty() ? parameters(config) : std::vector<Parameter>();

  std::vector<std::string> dtypes;  // of all, if there are weights
  if (!o.model.empty() && has_weights(o.model)) {
    const HfFolder weights = HfFolder::open(o.model);
    for (const Parameter& p : all) dtypes.push_back(file_dtype(weights, p));
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
  if (!dtypes.empty()) fmt::print("weights      all {} tensors are there with the shapes of config.json\n", all.size());
  if (o.tensors) {
    fmt::print("\n{:<64} {:<12} {:<16} {}\n", "tensor", "symbol", "shape", dtypes.empty() ? "part" : "in the file");
    for (size_t i = 0; i < all.size(); ++i)
      fmt::print("{:<64} {:<12} {:<16} {}\n", all[i].name, all[i].symbol, shape_text(all[i].shape),
                 dtypes.empty() ? name_of(all[i].part) : dtypes[i]);
  }
}

}  // namespace

void add_inspect_command(CLI::App& program) {
  CLI::App* command = program.add_subcommand("inspect", "Say what a model is, how large, and what its cache costs");
  const auto options = std::make_shared<Options>();
  CLI::Option* model = command->add_option("-m,--model", options->model, "folder of a checkpoint");
  command->add_option("--config", options->config, "config.json alone; no weights needed")->excludes(model);
  command->add_option("-c,--ctx-size", options->context, "Tokens for the cache size; 0 = max_position_embeddings")
      ->check(CLI::Range(int64_t(0), int64_t(1) << 40))
      ->capture_default_str();
  command->add_flag("--tensors", options->tensors, "list every tensor: name, paper symbol, shape");
  command->add_flag("--json", options->json, "print JSON");
  command->callback([options] {
    if (options->model.empty() && options->config.empty()) user_error("inspect needs -m FOLDER or --config FILE");
    run(*options);
  });
}

}  // namespace minke
