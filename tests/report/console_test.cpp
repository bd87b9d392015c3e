#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "report/console.h"
#include "report/jsonl.h"

namespace minke {
namespace {

TEST(Console, StepLineHasEverything) {
  const std::string line = step_line({.step = 120,
                                      .steps = 2000,
                                      .loss = 3.214,
                                      .lr = 9.8e-4,
                                      .grad_norm = 0.83,
                                      .tokens_per_second = 12900,
                                      .eta_seconds = 840,
                                      .mtp_loss = {3.5},
                                      .load_max_over_mean = 1.18,
                                      .max_violation = 0.15,
                                      .worst_layer = 3,
                                      .worst_max_violation = 0.22});
  for (const char* part : {"step 120/2000", "loss 3.214", "lr 0.00098", "|g| 0.83", "12.9k tok/s", "mtp 3.500",
                           "load max/mean 1.18", "MaxVio 0.15 (layer 3: 0.22)", "ETA 14 min"})
    EXPECT_NE(line.find(part), line.npos) << part << " in " << line;
}

size_t width(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

TEST(Console, NarrowTerminalsGetFewerParts) {
  const StepLine line{.step = 120,
                      .steps = 2000,
                      .loss = 3.214,
                      .lr = 9.8e-4,
                      .grad_norm = 0.83,
                      .tokens_per_second = 12900,
                      .eta_seconds = 840,
                      .mtp_loss = {3.5, 3.6},
                      .load_max_over_mean = 1.18,
                      .share_of_peak = 0.41};
  EXPECT_NE(step_line(line).find("12.9k tok/s (41 % of peak)"), std::string::npos);
  EXPECT_EQ(step_line(line, 1000), step_line(line));
  size_t last = width(step_line(line));
  for (int columns = int(last); columns >= 30; --columns) {
    const std::string text = step_line(line, columns);
    EXPECT_LT(width(text), size_t(columns)) << text;  // the last column stays free: some terminals wrap at it
    EXPECT_LE(width(text), last);
    last = width(text);
    EXPECT_TRUE(text.starts_with("step 120/2000")) << text;
    EXPECT_NE(text.find("loss 3.214"), text.npos) << text;
  }
  EXPECT_EQ(step_line(line, 45), "step 120/2000 loss 3.214  ETA 14 min");
  EXPECT_EQ(step_line(line, 5), "step 120/2000 loss 3.214");  // what stays, stays
}

TEST(Console, ProgressBar) {
  EXPECT_EQ(progress_bar(0.5, 4), "▕██  ▏");
  EXPECT_EQ(progress_bar(7, 2), "▕██▏");
  EXPECT_EQ(progress_bar(-1, 2), "▕  ▏");
}

// Into a pipe: every fiftieth of the run, not every step.
TEST(Console, LogsStayReadable) {
  const fs::path file = fs::temp_directory_path() / fmt::format("minke-console-{}", ::getpid());
  std::FILE* out = std::fopen(file.c_str(), "w");
  {
    Console console(out);
    for (int i = 1; i <= 1000; ++i) console.progress(fmt::format("line {}", i), i, 1000);
    for (int i = 1; i <= 1000; ++i) console.progress("so far", 0, 0);  // of what nobody knows how long it is, once
    console.print("end");
  }
  std::fclose(out);
  const std::string text = read_file(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 53);  // 1, 20, 40 … 1000, so far, end
  EXPECT_NE(text.find("line 1000\nso far\nend\n"), text.npos);
  fs::remove(file);
}

TEST(Jsonl, ResumingDropsWhatWillBeWrittenAgainAndCutLines) {
  const fs::path file = fs::temp_directory_path() / fmt::format("minke-jsonl-{}", ::getpid());
  fs::remove(file);
  {
    JsonlLog log(file, [](const Json&) { return true; });
    for (int i = 1; i <= 4; ++i) log.write({{"step", i}, {"text", "é\xff"}});  // invalid UTF-8 must not end a run
  }
  write_file_atomic(file, read_file(file) + "[1]\n{\"step\": \"x\"}\n{\"step\": 2, \"lo");
  {
    JsonlLog log(file, [](const Json& line) { return line["step"].is_number() && line["step"] <= 2; });
    log.write({{"step", 3}});
  }
  const std::string text = read_file(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_TRUE(text.ends_with("{\"step\":3}\n"));
  fs::remove(file);
}

}  // namespace
}  // namespace minke
