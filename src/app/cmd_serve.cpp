// minke serve: an OpenAI-compatible API over a checkpoint.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/sampling_flags.h"
#include "chat/session.h"
#include "core/human_numbers.h"
#include "core/standard_output.h"
#include "core/system_files.h"
#include "data/json_lines.h"
#include "infer/computed_by.h"
#include "run/stop_signals.h"
#include "serve/api_server.h"

namespace minke {
namespace {

struct ServeOptions {
  InferenceOptions inference;
  SamplingFlags sampling;
  HttpSettings http;
  SchedulerSettings scheduler;
  ApiSettings api;
  std::string name, key_file;
  std::string disk_cache;
  double disk_cache_gb = 20;
  int64_t timeout_s = 600, reasoning_budget = -1;
};

// One key a line; blank lines and what begins with # count for nothing.
void add_keys(std::vector<std::string>& keys, const fs::path& file) {
  const size_t before = keys.size();
  LineReader lines(file, 4096);
  for (std::string line; lines.next(line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line[0] != '#') keys.push_back(line);
  }
  if (keys.size() == before) user_error("--api-key-file {}: no key is in it; one on each line", file.string());
}

// As people write an address.
void normalise(std::string& address) {
  if (address == "localhost") address = "127.0.0.1";
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
}
bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

void serve(ServeOptions& o) {
  normalise(o.http.address);
  if (!o.key_file.empty()) add_keys(o.api.keys, o.key_file);
  for (const std::string& key : o.api.keys)
    if (key.empty() || !std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 127; }))
      user_error(
          "--api-key, --api-key-file: a key is of letters, digits and signs of ASCII, without blanks: clients send it "
          "in a header");
  const ModelSource source = open_model(o.inference.model, o.inference.mtp_modules());
  o.api.model.sampling = o.sampling.over(chat_sampling(source.defaults));
  validate(o.api.model.sampling);
  for (const fs::path& run : o.api.runs)
    if (!fs::is_directory(run)) user_error("--run {}: no such folder; give a run's, or a pipeline's", run.string());
  o.api.model.context = context_size(o.inference, source);
  if (o.reasoning_budget >= 0) o.api.model.reasoning_budget = o.reasoning_budget;
  fs::path named = fs::absolute(source.path).lexically_normal();
  if (!named.has_filename()) named = named.parent_path();
  if (named.filename() == "latest") named = named.parent_path();
  o.api.model.name = o.name.empty() ? named.filename().string() : o.name;
  o.scheduler.longest = std::chrono::seconds(o.timeout_s);
  allow_many_open_files();
  const StopSignals signals;
  ApiServer server(source, o.api, o.http);
  const bool is_v6 = o.http.address.find(':') != std::string::npos;
  const std::string address =
      fmt::format("http://{}:{}", is_v6 ? fmt::format("[{}]", o.http.address) : o.http.address, server.port());
  std::optional<DiskCache> disk;  // outlives the engine
  LoadedModel loaded(o.inference, source, false);
  if (!o.disk_cache.empty()) {
    const std::string how = computation_settings(o.inference).dump() + (o.inference.repack ? "" : " not repacked");
    disk.emplace(
        DiskCache::Settings{.folder = o.disk_cache,
                            .bytes = uint64_t(o.disk_cache_gb * 1e9),
                            .computed_by = computed_by(loaded.ctx(), source.files, loaded.engine().settings(), how),
                            .on_failure = [folder = o.disk_cache](const std::string& why) {
                              print_note(fmt::format("disk cache  a page cannot be written to {}: {}", folder, why));
                            }});
    loaded.engine().use_disk(*disk);
    print_note(fmt::format("disk cache  {} of {} in {}", human_bytes(double(disk->counts().bytes)),
                           human_bytes(o.disk_cache_gb * 1e9), o.disk_cache));
  }
  if (!source.chat_template)
    print_note(
        "note        the model has no chat template: /v1/completions continues texts, conversations are refused");
  if (o.api.keys.empty() && !is_loopback(o.http.address))
    print_note("note        whoever reaches this machine may ask: --api-key asks for a key");
  ModelEngine engine(loaded.ctx(), loaded.engine());
  print_note(fmt::format("page        {}/", address));
  print_note(fmt::format("listening   {}/v1 as {}, {} answers at once; Ctrl-C ends", address, o.api.model.name,
                         o.inference.sequences));
  std::atomic<bool> over = false;
  std::thread watch([&] {
    while (!over && !stop_is_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (over) return;
    print_note("stopping    answers that are under way have 10 s; Ctrl-C again ends at once");
    server.stop(std::chrono::seconds(10));
  });
  server.run(engine, o.scheduler);
  over = true;
  watch.join();
  print_note("stopped");
}

}  // namespace

void add_serve_command(CLI::App& program) {
  auto o = std::make_shared<ServeOptions>();
  o->inference.sequences = 8;
  o->inference.share_answers = true;
  o->http.port = 8080;
  CLI::App* c = program.add_subcommand("serve", "An OpenAI-compatible API over a checkpoint");
  set_example(*c, "minke serve -m DeepSeek-R1-Distill-Qwen-1.5B");
  add_inference_flags(*c, o->inference);
  c->add_option("--host", o->http.address, "IP address to listen on; 0.0.0.0: all of this machine's")
      ->capture_default_str();
  c->add_option("--port", o->http.port, "Port; 0: any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  c->add_option("--alias", o->name, "What clients call the model; default: its folder");
  c->add_option("--parallel", o->inference.sequences,
                "Answers that are computed at once, each with cache for a whole context")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  c->add_option("--disk-cache", o->disk_cache,
                "Folder in which the beginnings of prompts are kept, too, to be read again after a restart")
      ->type_name("FOLDER");
  c->add_option("--disk-cache-size", o->disk_cache_gb, "With --disk-cache: GB at most; the longest unused go first")
      ->needs(c->get_option("--disk-cache"))
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  c->add_flag(
      "!--no-reuse-answers", o->inference.share_answers,
      "Compute the model's own words anew when a conversation goes on: a prompt then has the same bits whatever was "
      "asked before; slower");
  c->add_option("--queue", o->scheduler.queue, "Requests that may wait for their turn; more are told to try again")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  c->add_option("--timeout", o->timeout_s, "Seconds that a request may take, waiting included")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  c->add_option("--api-key", o->api.keys, "Key that clients must send (may be repeated)")->allow_extra_args(false);
  c->add_option("--api-key-file", o->key_file, "File with such keys, one on each line");
  c->add_option("--run", o->api.runs, "Folder of a run or pipeline whose training the page shows (may be repeated)")
      ->allow_extra_args(false);
  c->add_option("--cors", o->api.cors_origin, "Origin whose pages may ask, such as https://example.org, or *");
  c->add_option("--reasoning-budget", o->reasoning_budget,
                "Tokens of a thought, which is ended then; -1: as many as the model likes")
      ->check(CLI::Range(-1, 1 << 30))
      ->capture_default_str();
  c->add_option("--cost-per-hour", o->api.cost_per_hour, "Price of this machine in dollars, for /metrics")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  // An unset variable of a script must not open the server.
  for (const char* flag : {"--api-key-file", "--cors", "--alias", "--disk-cache"})
    c->get_option(flag)->check([](const std::string& value) { return value.empty() ? "the value is empty" : ""; }, "");
  o->sampling.add(*c, chat_sampling({}));
  c->callback([o] { serve(*o); });
}

}  // namespace minke
