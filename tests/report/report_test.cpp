#include "report/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "core/error.h"
#include "report/expert_figures.h"
#include "report/html_page.h"
#include "report/metrics.h"
#include "report/text.h"

namespace minke {
namespace {

RunLog a_run(std::string name, int steps, double loss) {
  std::string log =
      "{\"step\":0,\"run\":{\"machine\":\"a "
      "machine\",\"parameters\":1000000,\"active_parameters\":250000,\"steps\":100}}\n";
  for (int s = 1; s <= steps; ++s) {
    log += fmt::format(
        "{{\"step\":{},\"loss\":{},\"lr\":0.001,\"grad_norm\":1.5,\"tokens\":100,\"seconds\":1,\"train_seconds\":{},"
        "\"mtp_loss\":[2],\"max_vio\":{{\"1\":0.5,\"2\":1}},"
        "\"max_vio_100\":{{\"mean\":0.625,\"worst_layer\":2,\"worst\":0.875}},\"dropped\":0.03}}\n",
        s, loss + 1.0 / s, s);
    log += fmt::format("{{\"step\":{},\"load\":{{\"1\":[1,2,3,2],\"2\":[0,8,0,0]}}}}\n", s);
  }
  log += fmt::format("{{\"step\":{},\"eval_nats_per_token\":{},\"eval_bits_per_byte\":1.25,\"final\":true}}\n", steps,
                     loss);
  log += fmt::format("{{\"step\":{},\"prompt\":\"Once\",\"sample\":\"a whale\"}}\n", steps);
  RunLog run = parse_run_log(log);
  run.name = std::move(name);
  run.recipe = "[train]\nlr = 0.001\n";
  run.recipe_keys = parse_recipe_keys(run.recipe);
  return run;
}

// Elements that are opened and not closed, or the other way round: the page must be a tree, whatever is written in it.
std::string unbalanced(std::string html) {
  html = std::regex_replace(html, std::regex("<script>[^]*?</script>"), "");
  html = std::regex_replace(html, std::regex("<style>[^]*?</style>"), "");
  std::vector<std::string> open;
  for (size_t at = 0; (at = html.find('<', at)) != html.npos; ++at) {
    const size_t end = html.find('>', at);
    std::string tag = html.substr(at + 1, end - at - 1);
    if (tag[0] == '!' || tag.back() == '/') continue;
    const bool closes = tag[0] == '/';
    tag = tag.substr(closes, tag.find_first_of(" >", closes) - closes);
    if (tag == "meta" || tag == "br" || tag == "input") continue;
    if (!closes) open.push_back(tag);
    else if (open.empty() || open.back() != tag)
      return "</" + tag + "> within " + (open.empty() ? "nothing" : open.back());
    else open.pop_back();
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

// What would make a browser ask somebody: addresses other than data: and fragments.
std::string outside_reference(const std::string& html) {
  std::smatch m;
  if (std::regex_search(
          html, m, std::regex("(src|href|action|data|poster)=\"(?!data:image/bmp|#)[^\"]*\"|url\\(|@import|https?:")) &&
      m.str().find("data-") == std::string::npos)
    return m.str();
  return "";
}

TEST(Html, TextCannotLeaveItsPlace) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&\n\t"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\n\t");
  EXPECT_EQ(escape_html(std::string_view("a\0b\x1b\x7f", 5)), "a\ufffdb\ufffd\ufffd");
  EXPECT_EQ(escape_html("é\xff…"), "é\ufffd…");
  EXPECT_EQ(valid_utf8("\xe9 caf\xc3\xa9"), "\ufffd café");
}

TEST(Html, TheChecksOfThisTestFindPlantedFaults) {
  EXPECT_EQ(unbalanced("<p><b>x</b></p>"), "");
  EXPECT_NE(unbalanced("<p><b>x</p></b>"), "");
  EXPECT_NE(unbalanced("<p>"), "");
  EXPECT_EQ(outside_reference("<image href=\"data:image/bmp;base64,AA\"/><a href=\"#x\">"), "");
  EXPECT_NE(outside_reference("<img src=\"http://x\">"), "");
  EXPECT_NE(outside_reference("<style>@import 'x'</style>"), "");
  EXPECT_NE(outside_reference("<link href=\"a.css\">"), "");
}

TEST(Report, OneRun) {
  const std::vector<RunLog> runs{a_run("my run", 100, 2.5)};
  const std::string page = report_html(runs);
  EXPECT_EQ(unbalanced(page), "");
  EXPECT_EQ(outside_reference(page), "");
  for (const char* part : {"my run",
                           "a machine",
                           "finished, step 100",
                           "2.5000",
                           "1.2500",
                           "10.0k",
                           "1.0M",
                           "250.0k active",
                           "nats per token",
                           "Bits per byte",
                           "Gradient norm",
                           "Learning rate",
                           "Multi-token prediction",
                           "MaxVio over 100 batches",
                           "0.62",
                           "worst layer <b>0.875</b>",
                           "Dropped",
                           "tokens per second",
                           "Load of the fullest expert",
                           "Layer 2",
                           "a whale",
                           "lr = 0.001",
                           "prefers-color-scheme",
                           "name=\"viewport\""})
    EXPECT_NE(page.find(part), page.npos) << part;
  for (const auto& x : EnumNames<XAxis>::all) EXPECT_NE(page.find(fmt::format("class=\"by-{}\"", x.name)), page.npos);
  EXPECT_EQ(page.find("id=\"follow\""), page.npos);  // it has ended
  EXPECT_EQ(page.find("averaged"), page.npos);       // without averaged parameters nothing is said of them
}

TEST(Report, ARunThatGoesOnSaysSo) {
  std::vector<RunLog> runs{a_run("r", 20, 2)};
  runs[0].finished = false;
  runs[0].unreadable_lines = 3;
  runs[0].skipped_steps = 2;
  const std::string page = report_html(runs);
  EXPECT_NE(page.find("step 20 of 100 so far"), page.npos);
  EXPECT_NE(page.find("id=\"follow\""), page.npos);
  EXPECT_NE(page.find("3 lines of the log could not be read"), page.npos);
  EXPECT_NE(page.find("2 steps were skipped"), page.npos);
}

TEST(Report, ARunWithoutHeldOutTextEndsToo) {
  RunLog run = parse_run_log(
      "{\"step\":0,\"run\":{\"steps\":2}}\n{\"step\":1,\"loss\":3,\"train_seconds\":60}\n"
      "{\"step\":2,\"loss\":2,\"train_seconds\":120}\n"
      "{\"step\":2,\"sample\":\"x\"}\n"
      "{\"step\":2,\"train_seconds\":120,\"unix_time\":1700000000,\"final\":true}\n"
      "{\"step\":2,\"eval_needle_128\":1}\n");
  run.name = "r";
  EXPECT_EQ(run.step, (std::vector<double>{1, 2}));
  EXPECT_EQ(run.minutes.back(), 2);
  const std::string page = report_html(std::vector<RunLog>{run});
  EXPECT_NE(page.find("finished, step 2"), page.npos);
  EXPECT_EQ(page.find("id=\"follow\""), page.npos);
  EXPECT_EQ(page.find("unix_time"), page.npos);
}

TEST(Report, SeveralRunsAreCompared) {
  std::vector<RunLog> runs{a_run("first", 50, 2.5), a_run("second", 100, 2.25)};
  runs[1].machine = "another";
  runs[1].recipe_keys["train.lr"] = "0.002";
  runs[1].recipe_keys["train.new"] = "1";
  const std::string page = report_html(runs);
  EXPECT_EQ(unbalanced(page), "");
  EXPECT_EQ(outside_reference(page), "");
  EXPECT_NE(page.find("<th>machine</th><td>a machine</td><td>another</td>"), page.npos);
  EXPECT_NE(page.find("<td>2.5000</td><td class=\"best\">2.2500</td>"), page.npos);
  EXPECT_NE(page.find("<th>train.lr</th><td>0.001</td><td>0.002</td>"), page.npos);
  EXPECT_NE(page.find("<th>train.new</th><td>–</td><td>1</td>"), page.npos);
  EXPECT_NE(page.find("first, held-out"), page.npos);
  runs[1].recipe_keys = runs[0].recipe_keys;
  EXPECT_NE(report_html(runs).find("The recipes are equal"), std::string::npos);
}

// A page names its curves under the pointer; a picture cannot.
TEST(Report, MoreRunsThanColours) {
  std::vector<RunLog> runs;
  for (int i = 1; i <= kColours; ++i) runs.push_back(a_run(fmt::format("run {}", i), 10, 2));
  EXPECT_EQ(report_html(runs).find("colours for"), std::string::npos);
  EXPECT_NE(report_svg(runs, "loss", XAxis::step, "eight"), "");
  runs.push_back(a_run("run 9", 10, 2));
  EXPECT_NE(report_html(runs).find("There are 8 colours for 9 runs: run 9 has the colour of the first"),
            std::string::npos);
  EXPECT_THROW(report_svg(runs, "loss", XAxis::step, "nine"), UserError);
}

TEST(Report, EarlyAndLateAnswersSideBySide) {
  RunLog run = a_run("r", 30, 2);
  run.samples = {{0, "What?", "too early", 3, false},   {0, "Who?", "me", 5, true},
                 {10, "What?", "in between", 3, false}, {30, "What?", "just right", 3, true},
                 {30, "Other?", "new", 7, true},        {30, "Once", "a whale"}};
  const std::string page = report_html(std::vector<RunLog>{run});
  EXPECT_EQ(unbalanced(page), "");
  const size_t table = page.find("Early and late answers"),
               early = page.find("step 0, wrong ✗</small><p dir=\"auto\">too early", table),
               late = page.find("step 30, right ✓</small><p dir=\"auto\">just right", early);
  EXPECT_NE(table, page.npos);
  EXPECT_NE(early, page.npos);
  EXPECT_NE(late, page.npos);
  for (const char* part :
       {"in between", ">me<", ">new<"})  // of a problem that was answered once, there is nothing to compare
    EXPECT_EQ(page.find(part), page.npos) << part;
  EXPECT_NE(page.find("a whale"), page.npos);
  run.samples = {{30, "Once", "a whale"}, {0, "What?", "too early", 3, false}};
  EXPECT_EQ(report_html(std::vector<RunLog>{run}).find("Early and late"), std::string::npos);
}

TEST(Report, HostileTextStaysText) {
  const std::string evil = "</p></details></script><script>alert(1)</script><img src=http://x onerror=y>\"'\xff\x1b[2J";
  RunLog run = a_run(evil, 30, 2);
  run.machine = run.model_type = run.recipe = evil;
  run.recipe_keys[evil] = evil;
  run.series[evil] = run.series["loss"];
  run.series["max_vio." + evil] = run.series["loss"];
  run.series["max_vio.9999999999999999999999"] = run.series["loss"];
  run.samples = {{30, evil, evil + std::string(10000, 'x') + "é"},
                 {30, "从前", std::string(2999, 'x') + "从"},
                 {1, evil, evil, 1},
                 {30, evil, evil, 1}};
  for (const size_t n : {1u, 2u}) {
    const std::string page = report_html(std::vector<RunLog>(n, run));
    EXPECT_EQ(page.find("<script>alert"), page.npos);
    EXPECT_EQ(page.find("<img"), page.npos);
    EXPECT_EQ(page.find('\xff'), page.npos);
    EXPECT_EQ(unbalanced(page), "");
    EXPECT_LT(page.size(), 500'000u);
  }
}

// However long the run, the page stays small: a curve has a bounded number of points.
TEST(Report, ALongRunOfManyExpertsFitsInAPage) {
  RunLog run = a_run("long", 1, 2);
  run.samples.assign(500, {1, "p", "s"});
  constexpr int kSteps = 200'000, kLayers = 58, kExperts = 256;
  for (int s = 2; s <= kSteps; ++s) {
    run.step.push_back(s);
    run.tokens.push_back(s * 100.0);
    run.minutes.push_back(s / 60.0);
    for (const char* key : {"loss", "grad_norm", "lr", "tokens_per_second", "mtp_loss.1", "max_vio_mean",
                            "max_vio_worst", "balance_loss"}) {
      run.series[key].row.push_back(uint32_t(s - 1));
      run.series[key].value.push_back(2 + std::sin(s * 0.7) + (s == 77'777 ? 50 : 0));
    }
    for (int layer = 3; layer < kLayers && s % 100 == 0; ++layer) {
      run.series[fmt::format("max_vio.{}", layer)].row.push_back(uint32_t(s - 1));
      run.series[fmt::format("max_vio.{}", layer)].value.push_back(0.5);
    }
  }
  for (int i = 0; i < 100; ++i) {
    LoadSnapshot snapshot{.row = uint32_t(i * 100)};
    for (int layer = 0; layer < kLayers; ++layer) snapshot.tokens[layer].assign(kExperts, 7);
    run.loads.push_back(std::move(snapshot));
  }
  const std::string page = report_html(std::vector<RunLog>{std::move(run)});
  EXPECT_LT(page.size(), 2'000'000u);
  EXPECT_EQ(unbalanced(page), "");
}

TEST(Report, UnknownNumbersGetAFigure) {
  RunLog run = parse_run_log("{\"step\":1,\"luck\":0.5}\n{\"step\":2,\"luck\":0.75}\n");
  const std::vector<RunLog> runs{run};
  const std::vector<Metric> metrics = metrics_of(runs);
  ASSERT_EQ(metrics.size(), 1u);
  EXPECT_EQ(metrics[0].id, "luck");
  EXPECT_NE(report_html(runs).find("luck <b>0.75</b>"), std::string::npos);
}

// Every record of the program itself has a title; none stands under its raw key.
TEST(Report, EvaluationsOfEveryKindHaveTheirFigures) {
  RunLog run = parse_run_log(
      "{\"step\":5,\"loss\":2,\"tokens\":10,\"seconds\":1}\n"
      "{\"step\":5,\"eval_nats_per_token\":2.5,\"eval_bits_per_byte\":1.25,\"final\":false}\n"
      "{\"step\":5,\"eval_average_nats_per_token\":3.5,\"eval_average_bits_per_byte\":1.75}\n"
      "{\"step\":5,\"eval_choices\":0.375,\"eval_choices_chance\":0.25}\n"
      "{\"step\":5,\"eval_needle_512\":0.5,\"eval_needle_1024\":0.0625,\"eval_needle_128\":1}\n"
      "{\"step\":5,\"rolled_back_from\":9}\n");
  run.name = "r";
  const std::vector<RunLog> runs{run};
  const std::string page = report_html(runs);
  for (const char* part :
       {"Loss with averaged parameters", "averaged <b>3.5</b>", "as trained <b>2.5</b>",
        "Bits per byte with averaged parameters", "averaged <b>1.75</b>", "as trained <b>1.25</b>", "Multiple choice",
        "right <b>37.5</b>", "guessing <b>25</b>", "Needle in a haystack", "Rollbacks", "rolled back from <b>9</b>"})
    EXPECT_NE(page.find(part), page.npos) << part;
  for (const char* raw : {"eval_", "rolled_back"}) EXPECT_EQ(page.find(raw), page.npos) << raw;
  const std::vector<Metric> metrics = metrics_of(runs);
  const auto needle = std::find_if(metrics.begin(), metrics.end(), [](const Metric& m) { return m.id == "needle"; });
  ASSERT_NE(needle, metrics.end());
  const std::vector<Curve> curves = metric_curves(*needle, runs, XAxis::step);
  ASSERT_EQ(curves.size(), 3u);
  EXPECT_EQ(curves[0].label, "128 tokens");
  EXPECT_EQ(curves[1].label, "512 tokens");
  EXPECT_EQ(curves[2].label, "1024 tokens");
  EXPECT_EQ(curves[2].y, std::vector<double>{6.25});
  // However little is found, the picture is of 0 to 100 %.
  const std::string svg = svg_chart(std::vector<Curve>{curves[2]}, metric_axes(*needle, XAxis::step));
  EXPECT_NE(svg.find("data-y=\"0 103 0\""), svg.npos) << svg;
}

TEST(Report, OneCurveAsAFile) {
  const std::vector<RunLog> runs{a_run("first", 50, 2.5), a_run("second", 60, 2.25)};
  const std::string svg = report_svg(runs, "loss", XAxis::minute, "Two runs");
  EXPECT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_EQ(unbalanced(svg), "");
  for (const char* part : {"Two runs", "minutes of training", "Loss, nats per token", "first, held-out 2.5"})
    EXPECT_NE(svg.find(part), svg.npos) << part;
  try {
    report_svg(runs, "los", XAxis::step, "");
    ADD_FAILURE() << "a curve that is not there";
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("grad_norm"), std::string::npos) << e.what();
  }
}

TEST(Metrics, CurvesStandOverWhatIsAskedFor) {
  const std::vector<RunLog> runs{a_run("r", 10, 2)};
  const Metric lr{.id = "lr", .parts = {{"lr", "lr"}}};
  EXPECT_EQ(metric_curves(lr, runs, XAxis::step)[0].x.back(), 10);
  EXPECT_EQ(metric_curves(lr, runs, XAxis::token)[0].x.back(), 1000);
  EXPECT_NEAR(metric_curves(lr, runs, XAxis::minute)[0].x.back(), 10.0 / 60, 1e-12);
  EXPECT_TRUE(metric_axes(lr, XAxis::logstep).log_x);
  EXPECT_FALSE(metric_axes(lr, XAxis::step).log_x);
}

TEST(Metrics, TheRunningMeanIsExactForConstantsAndSkipsGaps) {
  const double nan = std::nan("");
  const std::vector<double> mean = running_mean(std::vector<double>{3, 3, nan, 3}, 10);
  EXPECT_NEAR(mean[0], 3, 1e-12);
  EXPECT_NEAR(mean[1], 3, 1e-12);
  EXPECT_TRUE(std::isnan(mean[2]));
  EXPECT_NEAR(mean[3], 3, 1e-12);
  // By hand, window 2: sums 1, 0.5 + 2, 1.25 + 4 over weights 1, 1.5, 1.75.
  const std::vector<double> by_hand = running_mean(std::vector<double>{1, 2, 4}, 2);
  EXPECT_NEAR(by_hand[1], 2.5 / 1.5, 1e-12);
  EXPECT_NEAR(by_hand[2], 5.25 / 1.75, 1e-12);
}

TEST(ExpertFigures, MapsHoldTheLoads) {
  const RunLog run = a_run("r", 10, 2);
  const HeatMap experts = expert_map(run, 1, 5);
  EXPECT_EQ(experts.experts, 4);
  EXPECT_EQ(experts.column_end, (std::vector<double>{2, 4, 6, 8, 10}));
  EXPECT_EQ(experts.ratio[0], 0.5);          // 1 of 8 tokens over 4 experts
  EXPECT_EQ(experts.ratio[2 * 5 + 3], 1.5);  // 3 of 8
  EXPECT_EQ(expert_map(run, 2, 1).ratio, (std::vector<double>{0, 4, 0, 0}));
  EXPECT_TRUE(expert_map(run, 9, 5).ratio.empty());
  const HeatMap layers = layer_map(run, 3);
  EXPECT_EQ(layers.rows, (std::vector<int>{1, 2}));
  EXPECT_EQ(layers.column_end, (std::vector<double>{3, 6, 10}));
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(layers.ratio[size_t(3 + c)], 2, 1e-12);
  // A spike lands in the column that holds its step.
  RunLog spiky = run;
  spiky.series["max_vio.1"].value[5] = 100;  // step 6
  const HeatMap map = layer_map(spiky, 3);
  EXPECT_GT(map.ratio[1], 30);
  EXPECT_LT(map.ratio[0] + map.ratio[2], 4);
}

}  // namespace
}  // namespace minke
