// A log of three steps whose figures are known: every tile, every row of a comparison, every curve and its points.
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "report/metrics.h"
#include "report/report.h"

namespace minke {
namespace {

const char* const kLog =
    R"({"step":0,"run":{"machine":"m","model_type":"deepseek_v3","parameters":1234567,"active_parameters":250000,"steps":3}}
{"step":1,"loss":4,"lr":0.001,"grad_norm":2,"tokens":100,"seconds":1,"train_seconds":60,"mtp_loss":[5,7],"balance_loss":0.25,"max_vio":{"1":0.5,"2":1},"max_vio_100":{"mean":0.6,"worst_layer":2,"worst":0.9},"dropped":0.01}
{"step":2,"loss":3,"lr":0.002,"grad_norm":1,"tokens":100,"seconds":0.5,"train_seconds":120,"mtp_loss":[4,6],"balance_loss":0.125,"max_vio":{"1":0.25,"2":0.75},"max_vio_100":{"mean":0.5,"worst_layer":2,"worst":0.8},"dropped":0.02}
{"step":2,"eval_nats_per_token":2.75,"eval_bits_per_byte":1.5}
{"step":3,"loss":2,"lr":0.003,"grad_norm":0.5,"tokens":200,"seconds":0.5,"train_seconds":180,"mtp_loss":[3,5],"balance_loss":0.0625,"max_vio":{"1":0,"2":0.5},"max_vio_100":{"mean":0.4,"worst_layer":1,"worst":0.7},"dropped":0.03}
{"step":3,"eval_nats_per_token":2.5,"eval_bits_per_byte":1.25,"final":true}
{"step":3,"eval_average_nats_per_token":2.25,"eval_average_bits_per_byte":1.125}
)";

RunLog known_run(const char* name = "known") {
  RunLog run = parse_run_log(kLog);
  run.name = name;
  return run;
}

using Cells = std::vector<std::pair<std::string, std::string>>;

// All matches of a pattern with two groups.
Cells cells(const std::string& html, const char* pattern) {
  Cells all;
  const std::regex regex(pattern);
  for (std::sregex_iterator it(html.begin(), html.end(), regex), end; it != end; ++it)
    all.emplace_back((*it)[1], (*it)[2]);
  return all;
}

TEST(Figures, TilesOfARun) {
  const std::string page = report_html(std::vector<RunLog>{known_run()});
  EXPECT_EQ(cells(page, "<div class=\"tile\"><b>([^<]*)</b><span>([^<]*)</span></div>"),
            (Cells{{"2.5000", "nats per token, held-out"},
                   {"1.2500", "bits per byte, held-out"},
                   // ((4 · 0.8 + 3) · 0.8 + 2) / ((0.8 + 1) · 0.8 + 1)
                   {"2.8525", "training loss, running mean"},
                   {"0.40", "MaxVio over 100 batches"},
                   {"400", "tokens trained on"},
                   {"3 min", "training time"},
                   {"200", "tokens per second, median"},
                   {"1.2M", "parameters, 250.0k active per token"}}));
  EXPECT_NE(page.find("finished, step 3"), page.npos);
  EXPECT_NE(page.find("deepseek_v3 · m"), page.npos);
}

TEST(Figures, RowsOfAComparison) {
  RunLog other = known_run("other");
  for (auto& [key, series] : other.series)
    for (double& v : series.value) v *= 2;
  other.parameters = other.active_parameters = 0;
  other.machine.clear();
  const std::string page = report_html(std::vector<RunLog>{known_run(), other});
  EXPECT_EQ(cells(page.substr(0, page.find("What differs")), "<tr><th>([^<]*)</th>((?:<td[^>]*>[^<]*</td>)+)"),
            (Cells{{"machine", "<td>m</td><td>–</td>"},
                   {"nats per token, held-out", "<td class=\"best\">2.5000</td><td>5.0000</td>"},
                   {"bits per byte, held-out", "<td class=\"best\">1.2500</td><td>2.5000</td>"},
                   {"training loss, running mean", "<td class=\"best\">2.8525</td><td>5.7049</td>"},
                   {"MaxVio over 100 batches", "<td>0.40</td><td>0.80</td>"},
                   {"steps", "<td>3</td><td>3</td>"},
                   {"tokens trained on", "<td>400</td><td>400</td>"},
                   {"training time", "<td>3 min</td><td>3 min</td>"},
                   {"tokens per second, median", "<td>200</td><td>400</td>"},
                   {"parameters", "<td>1.2M</td><td>–</td>"},
                   {"active per token", "<td>250.0k</td><td>–</td>"}}));
}

// One value a step; smoothed as the tile of the loss above.
std::vector<double> smooth(double a, double b, double c) {
  return {a, (0.8 * a + b) / 1.8, (0.8 * (0.8 * a + b) + c) / 2.44};
}

TEST(Figures, EveryCurveHasThePointsOfTheLog) {
  const std::vector<RunLog> runs{known_run()};
  struct Figure {
    const char *id, *heading;
    std::vector<std::pair<std::string, std::vector<double>>> curves;
  };
  const std::vector<double> eval{2.75, 2.5}, bits{1.5, 1.25};
  const std::vector<Figure> expected{
      {"loss",
       "Loss, nats per token",
       {{"training, raw", {4, 3, 2}}, {"training", smooth(4, 3, 2)}, {"held-out", eval}}},
      {"bits_per_byte", "Bits per byte, held-out text", {{"held-out", bits}}},
      {"average_loss",
       "Loss with averaged parameters, nats per token, held-out",
       {{"averaged", {2.25}}, {"as trained", eval}}},
      {"average_bits_per_byte",
       "Bits per byte with averaged parameters, held-out text",
       {{"averaged", {1.125}}, {"as trained", bits}}},
      {"mtp",
       "Multi-token prediction, nats per token",
       {{"depth 1, raw", {5, 4, 3}},
        {"depth 1", smooth(5, 4, 3)},
        {"depth 2, raw", {7, 6, 5}},
        {"depth 2", smooth(7, 6, 5)}}},
      {"grad_norm", "Gradient norm, before clipping", {{"|g|, raw", {2, 1, 0.5}}, {"|g|", smooth(2, 1, 0.5)}}},
      {"lr", "Learning rate", {{"learning rate", {0.001, 0.002, 0.003}}}},
      {"speed", "Speed, tokens per second", {{"training, raw", {100, 200, 400}}, {"training", smooth(100, 200, 400)}}},
      {"max_vio",
       "MaxVio over 100 batches, max load ÷ mean − 1",
       {{"mean of layers", {0.6, 0.5, 0.4}}, {"worst layer", {0.9, 0.8, 0.7}}}},
      {"max_vio_batch",
       "MaxVio of single batches, max load ÷ mean − 1",
       {{"mean of layers, raw", {0.75, 0.5, 0.25}},
        {"mean of layers", smooth(0.75, 0.5, 0.25)},
        {"worst layer, raw", {1, 0.75, 0.5}},
        {"worst layer", smooth(1, 0.75, 0.5)}}},
      {"max_vio_layers",
       "MaxVio of each layer, single batches, max load ÷ mean − 1",
       {{"layer 1, raw", {0.5, 0.25, 0}},
        {"layer 1", smooth(0.5, 0.25, 0)},
        {"layer 2, raw", {1, 0.75, 0.5}},
        {"layer 2", smooth(1, 0.75, 0.5)}}},
      {"dropped",
       "Dropped, share of expert choices",
       {{"dropped, raw", {0.01, 0.02, 0.03}}, {"dropped", smooth(0.01, 0.02, 0.03)}}},
      {"balance_loss",
       "Balance loss, nats per token",
       {{"balance, raw", {0.25, 0.125, 0.0625}}, {"balance", smooth(0.25, 0.125, 0.0625)}}},
  };
  const std::vector<Metric> metrics = metrics_of(runs);
  ASSERT_EQ(metrics.size(), expected.size());
  const std::pair<XAxis, std::vector<double>> axes[] = {{XAxis::step, {1, 2, 3}},
                                                        {XAxis::logstep, {1, 2, 3}},
                                                        {XAxis::token, {100, 200, 400}},
                                                        {XAxis::minute, {1, 2, 3}}};
  for (size_t i = 0; i < metrics.size(); ++i) {
    SCOPED_TRACE(expected[i].id);
    EXPECT_EQ(metrics[i].id, expected[i].id);
    for (const auto& [axis, x] : axes) {
      EXPECT_EQ(metric_axes(metrics[i], axis).y_title, expected[i].heading);
      const std::vector<Curve> curves = metric_curves(metrics[i], runs, axis);
      ASSERT_EQ(curves.size(), expected[i].curves.size());
      for (size_t c = 0; c < curves.size(); ++c) {
        const auto& [label, y] = expected[i].curves[c];
        EXPECT_EQ(curves[c].label, label);
        EXPECT_EQ(curves[c].faint, label.ends_with(", raw"));
        ASSERT_EQ(curves[c].y.size(), y.size());
        EXPECT_EQ(curves[c].x, std::vector<double>(x.end() - long(y.size()), x.end()));
        for (size_t k = 0; k < y.size(); ++k) EXPECT_NEAR(curves[c].y[k], y[k], 1e-12);
      }
    }
  }
  EXPECT_EQ(metric_axes(metrics[0], XAxis::step).x_title, "step");
  EXPECT_EQ(metric_axes(metrics[0], XAxis::token).x_title, "tokens");
  EXPECT_EQ(metric_axes(metrics[0], XAxis::minute).x_title, "minutes of training");
  for (const Metric& m : metrics) EXPECT_EQ(m.log_y, m.id == "grad_norm") << m.id;
}

// Several runs: a colour for each; of the loss the held-out curve is drawn through.
TEST(Figures, CurvesOfSeveralRuns) {
  const std::vector<RunLog> runs{known_run("a"), known_run("b")};
  const std::vector<Metric> metrics = metrics_of(runs);
  const std::vector<Curve> loss = metric_curves(metrics[0], runs, XAxis::step);
  ASSERT_EQ(loss.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(loss[i].colour, int(i / 2));
    EXPECT_EQ(loss[i].dashed, i % 2 == 0);
    EXPECT_EQ(loss[i].dots, i % 2 == 1);
  }
  EXPECT_EQ(loss[0].label, "a, training");
  EXPECT_EQ(loss[3].label, "b, held-out");
  const std::vector<Curve> bits = metric_curves(metrics[1], runs, XAxis::step);
  ASSERT_EQ(bits.size(), 2u);
  EXPECT_EQ(bits[1].label, "b");
  EXPECT_FALSE(bits[1].dashed);
}

}  // namespace
}  // namespace minke
