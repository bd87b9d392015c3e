// minke bench: what the machine can do, and which share of it kernels and training steps reach.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "app/bench_sheet.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/runtime.h"
#include "bench/node_rates.h"
#include "bench/suite.h"
#include "bench/train_bench.h"
#include "core/error.h"
#include "core/human_numbers.h"
#include "core/machine_memory.h"
#include "kernels/cpu/backend.h"
#include "kernels/cpu/processor.h"

namespace minke {
namespace {

struct Options {
  RuntimeOptions runtime;
  std::string json, preset = "v3-11m", only;
  std::vector<std::string> set;
  double seconds = 0.3;
  int64_t steps = 10, warmup = 2;
};

void announce(Sheet& sheet, const Runtime& runtime) {
  sheet.line("machine", runtime.description(),
             {{"description", runtime.description()},
              {"isa", runtime.ctx().backend->name()},
              {"threads", runtime.ctx().threads->count()},
              {"memory_bytes", machine_memory()}});
}

void show_ceiling(Sheet& sheet, const std::string& name, const char* unit, const Ceiling& ceiling) {
  const Ceiling::Try best = ceiling.best();
  Json tries = Json::array();
  for (const Ceiling::Try& t : ceiling.tries)
    tries.push_back({{"how", t.how}, {"rate", t.rate}, {"rate_per_core", t.rate_per_core}});
  const auto text = [&](const Ceiling::Try& t) {
    return fmt::format("{:8.1f} {}  {:7.1f} a core  {}", t.rate / 1e9, unit, t.rate_per_core / 1e9, t.how);
  };
  sheet.line(name, text(best), {{name, {{"rate", best.rate}, {"how", best.how}, {"tries", tries}}}});
  for (const Ceiling::Try& t : ceiling.tries)
    if (t.how != best.how) sheet.line("", text(t), Json::object());
}

void show_nodes(Sheet& sheet, const Options& o, const Context& ctx) {
  const std::vector<MemoryNode> nodes = memory_nodes();
  Json list = Json::array(), rates = Json::array();
  for (const MemoryNode& n : nodes) list.push_back({{"id", n.id}, {"cpus", n.cpus}, {"memory_bytes", n.memory}});
  sheet.line("memory nodes", std::to_string(std::max<size_t>(nodes.size(), 1)), {{"memory_nodes", list}});
  if (nodes.size() < 2) return;
  for (const MemoryNode& n : nodes)
    sheet.line("", fmt::format("node {}: {} CPUs, {}", n.id, n.cpus.size(), human_bytes(double(n.memory))),
               Json::object());
  for (const NodeRate& r : node_rates(ctx, nodes, o.seconds)) {
    rates.push_back({{"threads_of", r.threads_of}, {"memory_of", r.memory_of}, {"rate", r.rate}});
    const std::string rate = r.refused.empty() ? fmt::format("{:8.1f} GB/s   ", r.rate / 1e9) : r.refused + ":";
    sheet.line("", fmt::format("{}  threads of node {} read memory of node {}", rate, r.threads_of, r.memory_of),
               {{"node_rates", rates}});
  }
}

void bench_machine(Sheet& sheet, const Options& o, const Context& ctx) {
  const PathChoice& choice = default_isa();
  const Processor processor = this_processor();
  Json rates = Json::object();
  for (const PathRate& r : choice.rates) rates[r.isa] = r.rate;
  sheet.line("processor", processor.description(),
             {{"vendor", processor.vendor}, {"family", processor.family}, {"model", processor.model}});
  sheet.line("bf16 products", fmt::format("{} unless MINKE_ISA names another ({})", choice.isa, choice.description()),
             {{"bf16_path", {{"isa", choice.isa}, {"why", choice.description()}, {"rates", rates}}}});
  show_ceiling(sheet, "f32", "GFLOP/s", product_ceiling(ctx, DType::f32, o.seconds, true));
  show_ceiling(sheet, "bf16", "GFLOP/s", product_ceiling(ctx, DType::bf16, o.seconds, true));
  show_ceiling(sheet, "int8", "GOP/s  ", product_ceiling(ctx, DType::u8, o.seconds, true));
  show_ceiling(sheet, "read", "GB/s   ", read_ceiling(ctx, o.seconds));
  show_nodes(sheet, o, ctx);
}

void bench_kernels(Sheet& sheet, const Options& o, const Context& ctx, void (*rows)(Suite&)) {
  int shown = 0;
  fmt::print("{:<56}{:>17}{:>10}{:>10}{:>10}{:>10}{:>12}\n", "", "best", "of peak", "cold", "per core", "of peak",
             "ms");
  Suite suite(ctx, o.seconds, o.only, [&](const BenchRow& r) {
    ++shown;
    sheet.row("rows",
              fmt::format("{:<56}{:9.1f} {:<7}{:8.1f} %{:10.1f}{:10.1f}{:8.1f} %{:12.3f}", r.name, r.rate / 1e9,
                          r.is_arithmetic ? "GFLOP/s" : "GB/s", 100 * r.share(), r.cold_rate / 1e9,
                          r.rate_per_core / 1e9, 100 * r.share_per_core(), r.milliseconds),
              {{"name", r.name},
               {"unit", r.is_arithmetic ? "flops" : "bytes"},
               {"rate", r.rate},
               {"share", r.share()},
               {"ceiling", r.ceiling},
               {"cold_rate", r.cold_rate},
               {"rate_per_core", r.rate_per_core},
               {"share_per_core", r.share_per_core()},
               {"milliseconds", r.milliseconds},
               {"runs", r.runs}});
  });
  rows(suite);
  if (shown == 0) user_error("bench: no row has \"{}\" in its name; leave out --only to see all rows", o.only);
}

void show_parts(Sheet& sheet, TrainBenchResult r) {
  double step = 0;
  for (const StepPart& p : r.parts) step += p.seconds;
  Json seconds = Json::object(), flops = Json::object();
  std::stable_sort(r.parts.begin(), r.parts.end(), [](auto& a, auto& b) { return a.seconds > b.seconds; });
  for (const StepPart& p : r.parts) {
    seconds[p.name] = p.seconds;
    std::string rate;
    if (p.flops > 0) {
      flops[p.name] = p.flops;
      rate = fmt::format("{:10.1f} GFLOP/s {:6.1f} % of peak", p.flops / p.seconds / 1e9,
                         100 * p.flops / p.seconds / r.peak_flops);
    }
    sheet.line("  " + p.name, fmt::format("{:10.2f} ms {:6.1f} %{}", p.seconds * 1e3, 100 * p.seconds / step, rate),
               {{"seconds", seconds}, {"flops", flops}});
  }
}

void bench_train(Sheet& sheet, const Options& o, const Context& ctx) {
  std::vector<std::string> set{"data.train=builtin:"};
  set.insert(set.end(), o.set.begin(), o.set.end());
  set.push_back(fmt::format("train.steps={}", o.steps));
  const TrainBenchOptions options{.recipe = parse_recipe("", "preset " + o.preset, set, o.preset),
                                  .steps = o.steps,
                                  .warmup_steps = o.warmup,
                                  .ceiling_seconds = o.seconds,
                                  .available_bytes = 0.9 * double(machine_memory()),
                                  .folder = fs::temp_directory_path()};
  const TrainBenchResult r = train_bench(ctx, options);
  const MemoryEstimate& m = r.memory;
  const double n = double(r.parameters);
  sheet.line("model",
             fmt::format("{} in {}: {} parameters, {} of them multiplied with each token", o.preset,
                         name_of(options.recipe.train.precision), human_count(n),
                         human_count(double(r.flops.active_matmul_parameters))),
             {{"preset", o.preset},
              {"precision", name_of(options.recipe.train.precision)},
              {"parameters", r.parameters},
              {"active_matmul_parameters", r.flops.active_matmul_parameters}});
  sheet.line("work",
             fmt::format("{} tokens a step; {:.1f} MFLOP a token in products, {:.1f} in attention", r.tokens_per_step,
                         r.flops.products / 1e6, r.flops.attention / 1e6),
             {{"tokens_per_step", r.tokens_per_step},
              {"matmul_flops_per_token", r.flops.products},
              {"attention_flops_per_token", r.flops.attention}});
  sheet.line("peak", fmt::format("{:.1f} GFLOP/s: {}", r.peak_flops / 1e9, r.peak_how),
             {{"peak_flops", r.peak_flops}, {"peak_how", r.peak_how}});
  sheet.line("speed",
             fmt::format("{:.0f} tokens/s (slowest {:.0f}, fastest {:.0f}), median of {} steps; loss {:.3f}",
                         r.tokens_per_second(), r.slowest(), r.fastest(), o.steps, r.loss),
             {{"tokens_per_second", r.tokens_per_second()},
              {"tokens_per_second_min", r.slowest()},
              {"tokens_per_second_max", r.fastest()},
              {"steps", o.steps},
              {"step_seconds", r.step_seconds},
              {"loss", r.loss}});
  sheet.line("share of peak",
             fmt::format("{:.1f} % in products + {:.1f} % in attention = {:.1f} %", 100 * r.product_share(),
                         100 * r.attention_share(), 100 * (r.product_share() + r.attention_share())),
             {{"share_of_peak", r.product_share()}, {"attention_share_of_peak", r.attention_share()}});
  sheet.line("per core",
             fmt::format("{:.0f} tokens per second of processor time: {:.1f} % of {:.1f} GFLOP/s",
                         r.tokens_per_core_second(), 100 * r.core_share(), r.peak_flops_per_core / 1e9),
             {{"tokens_per_core_second", r.tokens_per_core_second()},
              {"share_of_peak_per_core", r.core_share()},
              {"peak_flops_per_core", r.peak_flops_per_core}});
  sheet.line("bytes per parameter",
             fmt::format("{:.2f} = {:.2f} masters + {:.2f} gradients + {:.2f} moments + {:.2f} compute forms{}",
                         r.bytes_per_parameter(), m.parameters / n, m.gradients / n, m.moments / n, m.forms / n,
                         m.average > 0 ? fmt::format(" + {:.2f} average", m.average / n) : ""),
             {{"bytes_per_parameter", r.bytes_per_parameter()},
              {"master_bytes", m.parameters},
              {"gradient_bytes", m.gradients},
              {"moment_bytes", m.moments},
              {"form_bytes", m.forms},
              {"average_bytes", m.average}});
  sheet.line("memory", fmt::format("{}; peak memory of the process {}", m.text(), human_bytes(r.peak_rss_bytes)),
             {{"activation_bytes", m.activations}, {"peak_rss_bytes", r.peak_rss_bytes}});
  show_parts(sheet, r);
}

using Body = std::function<void(Sheet&, const Options&, const Context&)>;

CLI::App* add(CLI::App& bench, const std::shared_ptr<Options>& o, const char* name, const char* what, Body body) {
  CLI::App* c = bench.add_subcommand(name, what);
  set_example(*c, fmt::format("minke bench {}", name));
  c->add_option("-t,--threads", o->runtime.threads, "Threads; 0 = all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  c->add_option("--seconds", o->seconds, "Seconds spent on each measurement, about")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  c->add_option("--json", o->json, "Also write the figures to this JSON file");
  c->callback([o, body] {
    const Runtime runtime(o->runtime);
    Sheet sheet(o->json);
    announce(sheet, runtime);
    body(sheet, *o, runtime.ctx());
    sheet.save();
  });
  return c;
}

void add_kernels(CLI::App& bench, const std::shared_ptr<Options>& o, const char* name, const char* what,
                 void (*rows)(Suite&)) {
  add(bench, o, name, what, [rows](Sheet& sheet, const Options& options, const Context& ctx) {
    bench_kernels(sheet, options, ctx, rows);
  })->add_option("--only", o->only, "Only rows whose names contain this");
}

}  // namespace

void add_bench_command(CLI::App& program) {
  CLI::App* bench = program.add_subcommand("bench", "Measure the machine, kernels, training steps and inference");
  set_example(*bench, "minke bench machine");
  bench->require_subcommand(1);
  const auto o = std::make_shared<Options>();
  add(*bench, o, "machine", "Ceilings: peaks of FP32, BF16 and INT8, and read bandwidth", bench_machine);
  add_kernels(*bench, o, "gemm", "Matrix products at the shapes of training", products_bench);
  add_kernels(*bench, o, "attention", "Attention forward, backward and over a cache", attention_bench);
  add_kernels(*bench, o, "streams", "Operations limited by memory: norms, routing, optimizer", streams_bench);
  CLI::App* train = add(*bench, o, "train", "Optimizer steps of a preset, and how their time is spent", bench_train);
  train->add_option("--preset", o->preset, "Model and settings: v3-11m or v3-82m, each also with -mtp")
      ->capture_default_str();
  train->add_option("--set", o->set, "Override a key of the recipe: --set train.precision=f32 (may be repeated)")
      ->allow_extra_args(false);
  train->add_option("--steps", o->steps, "Timed steps")->check(CLI::Range(1, 1000000))->capture_default_str();
  train->add_option("--warmup", o->warmup, "Untimed steps before the timed ones")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  add_bench_infer(*bench);
  add_bench_cache(*bench);
}

}  // namespace minke
