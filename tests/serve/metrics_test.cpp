// What Prometheus reads.
#include "serve/metrics.h"

#include <gtest/gtest.h>

#include <sstream>

namespace minke {
namespace {

TEST(Metrics, HistogramsCountWhatIsAtMostSoLong) {
  Histogram h;
  for (const double s : {0.0005, 0.001, 0.3, 1000.0}) h.add(s);
  const std::string text = h.text("x_seconds", "Help.");
  EXPECT_NE(text.find("# TYPE x_seconds histogram\n"), std::string::npos);
  EXPECT_NE(text.find("x_seconds_bucket{le=\"0.001\"} 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("x_seconds_bucket{le=\"0.25\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("x_seconds_bucket{le=\"0.5\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("x_seconds_bucket{le=\"300\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("x_seconds_bucket{le=\"+Inf\"} 4\n"), std::string::npos);
  EXPECT_NE(text.find("x_seconds_count 4\n"), std::string::npos);
}

// Every line is a comment, or a name, labels and a number.
TEST(Metrics, AreWellFormed) {
  ServerMetrics m;
  m.requests["stop"] = 3, m.prompt_tokens = 600'000, m.answer_tokens = 400'000;
  m.first_token.add(0.1);
  const std::string text = m.text({.running = 2, .tokens = 9, .step_seconds = 1.5}, 4, 7200, 0.1);
  std::istringstream lines(text);
  int figures = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP minke_") || line.starts_with("# TYPE minke_")) continue;
    const size_t blank = line.rfind(' ');
    ASSERT_NE(blank, line.npos) << line;
    EXPECT_TRUE(line.starts_with("minke_")) << line;
    size_t read = 0;
    std::stod(line.substr(blank + 1), &read);
    EXPECT_EQ(read, line.size() - blank - 1) << line;
    ++figures;
  }
  EXPECT_GT(figures, 50);
  EXPECT_NE(text.find("minke_requests_total{end=\"stop\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("minke_cost_dollars_total 0.2\n"), std::string::npos);
  EXPECT_NE(text.find("minke_cost_per_million_tokens_dollars 0.2\n"), std::string::npos);
  EXPECT_NE(text.find("minke_deepseek_price_per_million_tokens_dollars{kind=\"answer\"} 2.19\n"), std::string::npos);
  EXPECT_EQ(m.text({}, 0, 1, 0).find("dollars"), std::string::npos);
}

}  // namespace
}  // namespace minke
