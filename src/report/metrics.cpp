#include "report/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "report/text.h"

namespace minke {
namespace {

const std::vector<Metric>& known_metrics() {
  static const std::vector<Metric> metrics{
      {.id = "right",
       .heading = "Right answers",
       .unit = "% of test problems",
       .note = "One answer to each problem of the test split, which training never asks; by task and level.",
       .parts = {{"eval_right", "all", false, true}, {"eval_right/*", "*", false, true}},
       .percent = true},
      {.id = "pair_accuracy",
       .heading = "Right pairs",
       .unit = "% of the pairs of answers",
       .note =
           "The answer that is better scores more; a tie is half right. Of each step's pairs (running mean), and of "
           "those that were held out.",
       .parts = {{"pair_accuracy", "training", true}, {"eval_pair_accuracy", "held-out", false, true}},
       .percent = true},
      {.id = "pair_loss",
       .heading = "Loss of held-out pairs",
       .unit = "nats per pair",
       .note = "−log σ(score of the better answer − score of the other): 0.693 where nothing is known.",
       .parts = {{"eval_nats_per_pair", "held-out", false, true}}},
      {.id = "pair_margin",
       .heading = "Margin",
       .unit = "score of the better answer − score of the other",
       .note = "Mean over a step's pairs.",
       .parts = {{"pair_margin", "training", true}}},
      {.id = "teacher_kl",
       .heading = "Distance from the teacher",
       .unit = "nats per held-out target",
       .note = "KL divergence of the student's distribution from the teacher's, over the tokens that the teacher lists "
               "and all "
               "others as one: 0 where both say the same.",
       .parts = {{"eval_teacher_kl", "held-out", false, true}},
       .from_zero = true},
      {.id = "length",
       .heading = "Length of the answers",
       .unit = "tokens, thoughts included",
       .note = "Of the training questions of each step (running mean), and of the test problems.",
       .parts = {{"completions/mean_length", "training", true}, {"eval_length", "test problems", false, true}},
       .from_zero = true},
      {.id = "reflection",
       .heading = "Reflection",
       .unit = "%",
       .note = "Of the equations in the thoughts, those that are wrong; of these, those that a later line names and "
               "puts right; of such lines, the false alarms. On the test problems.",
       .parts = {{"reflection/wrong", "wrong equations", false, true},
                 {"reflection/caught", "wrong ones that are caught", false, true},
                 {"reflection/false_alarms", "corrections that are false alarms", false, true}},
       .percent = true},
      {.id = "reward",
       .heading = "Reward",
       .unit = "mean of a step's answers",
       .note = "What was rewarded, and its parts before they are weighed.",
       .parts = {{"reward", "reward", true},
                 {"rewards/accuracy/mean", "right", true},
                 {"rewards/format/mean", "in the format", true},
                 {"rewards/language/mean", "in the question's language", true}}},
      {.id = "groups",
       .heading = "Groups that teach nothing",
       .unit = "% of the groups, of the answers",
       .note = "All answers to a question have the same reward; and answers that came to no end.",
       .parts = {{"frac_reward_zero_std", "same reward", true}, {"completions/clipped_ratio", "no end", true}},
       .percent = true},
      {.id = "entropy",
       .heading = "Entropy",
       .unit = "nats per token",
       .note = "Of what the policy draws from, on the tokens that are trained.",
       .parts = {{"entropy", "entropy", true}},
       .from_zero = true},
      {.id = "kl",
       .heading = "Distance from the reference policy",
       .unit = "nats per token",
       .note = "Estimate of the KL divergence on the tokens that are trained (the k3 of GRPO's loss).",
       .parts = {{"kl", "KL", true}},
       .from_zero = true},
      {.id = "critic",
       .heading = "The critic",
       .unit = "share of the variance of the rewards that it explains",
       .note = "1: it knows what an answer will get; 0: the mean alone. Its error beside it.",
       .parts = {{"critic/explained_variance", "explained", true}, {"critic/loss", "error", true}}},
      {.id = "clip",
       .heading = "Clipped tokens",
       .unit = "% of the tokens that are trained",
       .note = "Their ratio to the policy that answered has left the range: they have no gradient.",
       .parts = {{"clip_ratio", "clipped", true}},
       .percent = true},
      {.id = "delta_logp",
       .heading = "Sampling against training",
       .unit = "|difference of log-probabilities|",
       .note = "How far the update's probabilities are from those that the answers were drawn with.",
       .parts = {{"delta_logp/mean", "mean", true},
                 {"delta_logp/p99.9", "99.9th percentile", true},
                 {"delta_logp/max", "largest", true}},
       .log_y = true},
      {.id = "flips",
       .heading = "Experts that would be chosen otherwise",
       .unit = "% of the choices",
       .note = "Of those that were recorded at sampling, by the router as the update finds it. They are replayed.",
       .parts = {{"flip_rate", "flipped", true}},
       .percent = true},
      {.id = "loss",
       .heading = "Loss",
       .unit = "nats per token",
       .note = "Cross-entropy of the next token; for training, a running mean.",
       .parts = {{"loss", "training", true}, {"eval_nats_per_token", "held-out", false, true}}},
      {.id = "bits_per_byte",
       .heading = "Bits per byte",
       .unit = "held-out text",
       .note = "The same loss divided by the bytes of the text: comparable between tokenizers.",
       .parts = {{"eval_bits_per_byte", "held-out", false, true}}},
      {.id = "average_loss",
       .heading = "Loss with averaged parameters",
       .unit = "nats per token, held-out",
       .note = "The average lags behind the parameters.",
       .parts = {{"eval_average_nats_per_token", "averaged", false, true},
                 {"eval_nats_per_token", "as trained", false, true}},
       .only_with = "eval_average_nats_per_token"},
      {.id = "average_bits_per_byte",
       .heading = "Bits per byte with averaged parameters",
       .unit = "held-out text",
       .note = "The same loss divided by the bytes of the text.",
       .parts = {{"eval_average_bits_per_byte", "averaged", false, true},
                 {"eval_bits_per_byte", "as trained", false, true}},
       .only_with = "eval_average_bits_per_byte"},
      {.id = "choices",
       .heading = "Multiple choice",
       .unit = "% of the questions answered correctly",
       .note = "Measured at each evaluation; \"guessing\" is the share expected by chance.",
       .parts = {{"eval_choices", "right", false, true}, {"eval_choices_chance", "guessing"}},
       .percent = true},
      {.id = "needle",
       .heading = "Needle in a haystack",
       .unit = "% found",
       .note = "A sentence is hidden at several depths in texts of these lengths.",
       .parts = {{"eval_needle_*", "* tokens", false, true}},
       .percent = true},
      {.id = "mtp",
       .heading = "Multi-token prediction",
       .unit = "nats per token",
       .note = "Loss of each MTP module, which predicts one token further ahead.",
       .parts = {{"mtp_loss.*", "depth *", true}}},
      {.id = "grad_norm",
       .heading = "Gradient norm",
       .unit = "before clipping",
       .note = "Spikes here often come before spikes of the loss.",
       .parts = {{"grad_norm", "|g|", true}},
       .log_y = true},
      {.id = "lr",
       .heading = "Learning rate",
       .unit = "",
       .note = "Warm-up, constant part and decay, as in the recipe.",
       .parts = {{"lr", "learning rate"}},
       .from_zero = true},
      {.id = "speed",
       .heading = "Speed",
       .unit = "tokens per second",
       .note = "Training steps only, without evaluations and saving.",
       .parts = {{"tokens_per_second", "training", true}},
       .from_zero = true},
      {.id = "max_vio",
       .heading = "MaxVio over 100 batches",
       .unit = "max load ÷ mean − 1",
       .note = "Excess of the fullest expert over an equal share; 0 is perfect balance.",
       .parts = {{"max_vio_100.mean", "mean of layers"}, {"max_vio_100.worst", "worst layer"}},
       .from_zero = true},
      {.id = "max_vio_batch",
       .heading = "MaxVio of single batches",
       .unit = "max load ÷ mean − 1",
       .note = "The same for each single batch.",
       .parts = {{"max_vio_mean", "mean of layers", true}, {"max_vio_worst", "worst layer", true}},
       .from_zero = true},
      {.id = "max_vio_layers",
       .heading = "MaxVio of each layer, single batches",
       .unit = "max load ÷ mean − 1",
       .note = "Running means, one curve per MoE layer.",
       .parts = {{"max_vio.*", "layer *", true}},
       .from_zero = true},
      {.id = "dropped",
       .heading = "Dropped",
       .unit = "share of expert choices",
       .note = "Choices that were dropped because of the capacity.",
       .parts = {{"dropped", "dropped", true}},
       .from_zero = true},
      {.id = "balance_loss",
       .heading = "Balance loss",
       .unit = "nats per token",
       .note = "The auxiliary loss, used beside the bias updates.",
       .parts = {{"balance_loss", "balance", true}}},
      {.id = "rollbacks",
       .heading = "Rollbacks",
       .unit = "step from which the run went back",
       .note = "The loss jumped there and did not recover: the run continued from an earlier step with new data.",
       .parts = {{"rolled_back_from", "rolled back from", false, true}}},
  };
  return metrics;
}

// The part's keys that any run has, in the order of their numbers, with labels.
std::vector<MetricPart> expanded(const MetricPart& part, std::span<const RunLog> runs) {
  if (!part.key.ends_with("*")) {
    for (const RunLog& run : runs)
      if (run.find(part.key)) return {part};
    return {};
  }
  const std::string prefix = part.key.substr(0, part.key.size() - 1);
  std::set<std::pair<size_t, std::string>> names;  // short ones first: 2 before 10
  for (const RunLog& run : runs)
    for (const auto& [key, series] : run.series)
      if (key.starts_with(prefix)) names.insert({key.size(), key.substr(prefix.size())});
  std::vector<MetricPart> out;
  for (const auto& [size, name] : names)
    out.push_back(
        {prefix + name, std::string(part.label).replace(part.label.find('*'), 1, name), part.smoothed, part.dots});
  return out;
}

}  // namespace

std::vector<double> running_mean(std::span<const double> values, double window) {
  std::vector<double> out;
  const double keep = 1 - 1 / std::max(window, 1.0);
  double sum = 0, weight = 0;
  for (double v : values) {
    if (std::isfinite(v)) {
      sum = keep * sum + v;
      weight = keep * weight + 1;
    }
    out.push_back(std::isfinite(v) ? sum / weight : v);
  }
  return out;
}

std::vector<Metric> metrics_of(std::span<const RunLog> runs) {
  std::vector<Metric> out;
  std::set<std::string> drawn{"max_vio_mean", "max_vio_worst", "max_vio_100.worst_layer"};
  for (Metric m : known_metrics()) {
    if (!m.only_with.empty() && expanded({m.only_with, ""}, runs).empty()) continue;
    std::vector<MetricPart> parts;
    for (const MetricPart& p : m.parts)
      for (MetricPart& e : expanded(p, runs)) parts.push_back(std::move(e));
    for (const MetricPart& p : parts) drawn.insert(p.key);
    // Lines of many layers, or of the layers of several runs, tell nothing: their mean and worst do, and the heat map.
    if (parts.empty() || (m.id == "max_vio_layers" && (parts.size() > size_t(kColours) || runs.size() > 1))) continue;
    m.parts = std::move(parts);
    out.push_back(std::move(m));
  }
  constexpr int kOthers = 24;
  std::set<std::string> others;
  for (const RunLog& run : runs)
    for (const auto& [key, series] : run.series)
      if (!drawn.contains(key)) others.insert(key);
  for (const std::string& key : others)
    if (out.size() < known_metrics().size() + kOthers)
      out.push_back({.id = key, .heading = key, .unit = "", .note = "", .parts = {{key, key}}});
  return out;
}

Axes metric_axes(const Metric& m, XAxis x_axis) {
  const std::string title = x_axis == XAxis::token    ? "tokens"
                            : x_axis == XAxis::minute ? "minutes of training"
                                                      : "step";
  return {.x_title = title,
          .y_title = m.heading + (m.unit.empty() ? "" : ", " + m.unit),
          .log_x = x_axis == XAxis::logstep,
          .log_y = m.log_y,
          .from_zero = m.from_zero && !m.log_y,
          .percent = m.percent};
}

std::vector<Curve> metric_curves(const Metric& m, std::span<const RunLog> runs, XAxis x_axis) {
  std::vector<Curve> out;
  for (size_t r = 0; r < runs.size(); ++r) {
    const RunLog& run = runs[r];
    const std::vector<double>& x = x_axis == XAxis::token    ? run.tokens
                                   : x_axis == XAxis::minute ? run.minutes
                                                             : run.step;
    for (size_t p = 0; p < m.parts.size(); ++p) {
      const MetricPart& part = m.parts[p];
      const Series* s = run.find(part.key);
      if (!s) continue;
      const bool one = runs.size() == 1;
      Curve c{.label = one                   ? part.label
                       : m.parts.size() == 1 ? run.name
                                             : run.name + ", " + part.label,
              .colour = int(one ? p : r),
              .dots = part.dots && s->row.size() <= 40,
              .y = s->value};
      // Of several runs the held-out curve is what counts; the others are dashed.
      c.dashed = !one && m.parts.size() > 1 && (m.id == "loss" ? !part.dots : p > 0);
      for (uint32_t row : s->row) c.x.push_back(x[row]);
      if (m.percent)
        for (double& y : c.y) y *= 100;
      if (part.smoothed) {
        if (one && m.parts.size() <= 2) {
          out.push_back(c);
          out.back().faint = true;
          out.back().label += ", raw";
        }
        c.y = running_mean(c.y, std::max(5.0, double(c.y.size()) / 100));
      }
      out.push_back(std::move(c));
    }
  }
  return out;
}

std::string metric_figure(const Metric& m, std::span<const RunLog> runs) {
  std::string legend, pictures;
  for (const auto& axis : EnumNames<XAxis>::all) {
    const std::vector<Curve> curves = metric_curves(m, runs, axis.value);
    const std::string svg = svg_chart(curves, metric_axes(m, axis.value));
    if (svg.empty()) continue;
    pictures += fmt::format("<div class=\"by-{}\">{}</div>", axis.name, svg);
    if (!legend.empty()) continue;
    for (const Curve& c : curves) {
      if (c.faint) continue;
      const auto last = std::find_if(c.y.rbegin(), c.y.rend(), [](double v) { return std::isfinite(v); });
      legend +=
          fmt::format("<span><i class=\"c{}{}\"></i>{} <b>{}</b></span>", c.colour % kColours, c.dashed ? " dash" : "",
                      escape_html(c.label), last == c.y.rend() ? "–" : number_label(*last));
    }
  }
  if (pictures.empty()) return "";
  return figure(m.heading, m.unit, m.note, fmt::format("<div class=\"legend\">{}</div>{}", legend, pictures));
}

}  // namespace minke
