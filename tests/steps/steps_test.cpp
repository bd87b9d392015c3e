// `minke pretrain` from recipe to checkpoint against an independent trainer in float64 (tools/step_goldens, written from
// docs/recipe): weights, moments and average after the last step, element by element, the published tensors made of
// them, and what the log says of every step.
//
// Bounds. The program computes in FP32: a gradient, a sum of some hundred products through some ten layers, carries some
// 1e-6 of its tensor's largest value. A weight moves by lr·m̂/(√v̂ + ε), which is smooth where ε is not far below the
// gradients (the recipes take 2e-3 and more), so the two runs drift apart by some 1e-7 a step, and the gradients with
// them. Measured on several instruction sets, relative to the largest element of a tensor: weights 4e-6, average 3e-6,
// moments 8e-5; with moments in BF16 3e-5, 3e-5 and, where a value is rounded to the other neighbour, a unit in the last
// place. The bounds are some three times that; every test prints what it finds.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/json.h"
#include "formats/hf_folder.h"
#include "formats/safetensors.h"
#include "spec/config.h"
#include "spec/parameters.h"
#include "support/compare.h"
#include "support/shared_files.h"

namespace minke {
namespace {

using test::all_near;
using test::Bound;
using Values = std::vector<double>;

Values values_of(const TensorInfo& t) {
  Values out(size_t(t.size()));
  const auto copy = [&](auto element) {
    for (size_t i = 0; i < out.size(); ++i) {
      std::memcpy(&element, t.bytes.data() + i * sizeof element, sizeof element);
      out[i] = double(element);
    }
  };
  switch (t.dtype) {
    case DType::f64: copy(double{}); break;
    case DType::f32: copy(float{}); break;
    case DType::bf16: copy(bf16{}); break;
    default: ADD_FAILURE() << t.name << " has an unexpected type";
  }
  return out;
}

double largest(const Values& v) {
  double most = 0;
  for (double x : v) most = std::max(most, std::abs(x));
  return most;
}

class PretrainRun {
 public:
  PretrainRun(const fs::path& recipe, const std::string& isa) : out_(fs::temp_directory_path() / name()) {
    fs::remove_all(out_);
    const std::string command =
        fmt::format("cd '{}' && MINKE_ISA='{}' '{}' pretrain recipe.toml --out '{}' -t 2 >'{}.txt' 2>&1",
                    recipe.string(), isa, MINKE_PROGRAM, out_.string(), out_.string());
    const int code = std::system(command.c_str());
    EXPECT_EQ(code, 0) << read_file(out_.string() + ".txt");
  }
  ~PretrainRun() {
    fs::remove_all(out_);
    fs::remove(out_.string() + ".txt");
  }
  fs::path checkpoint() const { return out_ / "latest"; }
  // The records of steps, which have a loss.
  std::vector<Json> steps() const {
    std::vector<Json> all;
    std::ifstream lines(out_ / "log.jsonl");
    for (std::string line; std::getline(lines, line);)
      if (auto record = parse_json(line, "log.jsonl"); record.contains("grad_norm")) all.push_back(std::move(record));
    return all;
  }

 private:
  static std::string name() {
    static int runs = 0;
    return fmt::format("minke_steps_{}_{}", ::getpid(), ++runs);
  }
  fs::path out_;
};

// Relative to the largest element of a tensor, by the first letter of its name: w weights, m and v moments, e average.
double bounds_of(char kind, bool bf16_moments) {
  if (kind == 'm' || kind == 'v') return bf16_moments ? 1.0 / 256 : 2e-4;
  return bf16_moments ? 1e-4 : 1.2e-5;
}

void expect_state(const SafetensorsFile& expected, const SafetensorsFile& state) {
  double worst[128] = {};
  size_t compared = 0;
  for (const TensorInfo& t : expected.tensors()) {
    if (t.name.starts_with("log.")) continue;
    ++compared;
    const TensorInfo* found = state.find(t.name);
    ASSERT_NE(found, nullptr) << t.name;
    const bool bf16_moments = state.at("m.embed_tokens").dtype == DType::bf16;
    const Values e = values_of(t), s = values_of(*found);
    const double bound = bounds_of(t.name[0], bf16_moments) * largest(e);
    EXPECT_TRUE(all_near(s, e, {.atol = bound})) << t.name;
    ASSERT_EQ(s.size(), e.size()) << t.name;
    for (size_t i = 0; i < e.size() && largest(e) > 0; ++i)
      worst[int(t.name[0])] = std::max(worst[int(t.name[0])], std::abs(s[i] - e[i]) / largest(e));
  }
  EXPECT_EQ(compared, state.tensors().size()) << "the run keeps a state that the golden lacks";
  std::printf("  relative to the largest of a tensor: w %.1e m %.1e v %.1e e %.1e\n", worst[int('w')], worst[int('m')],
              worst[int('v')], worst[int('e')]);
}

// The published tensors of a folder are the parts of the state's tensors.
void expect_published(const fs::path& folder, const SafetensorsFile& state, const char* kind) {
  const Config config = load_config(folder);
  const HfFolder files = HfFolder::open(folder);
  std::map<std::string, Storage> by_name;
  for (const Storage& s : storages(config)) by_name[s.name] = s;
  for (const Parameter& p : parameters(config)) {
    const Values whole = values_of(state.at(kind + p.storage));
    const int64_t begin = element_offset(p, by_name.at(p.storage));
    const std::span<const double> part(whole.data() + begin, size_t(p.size()));
    EXPECT_TRUE(test::all_identical(values_of(files.at(p.name)), part)) << folder << " " << p.name;
  }
}

void expect_log(const SafetensorsFile& expected, const std::vector<Json>& steps) {
  // Relative. Measured: 3e-7 for the losses, 1.3e-5 for the norm; the others are the same sums of whole numbers.
  const std::map<std::string, double> bounds{{"loss", 1e-6},      {"mtp_loss", 1e-6}, {"balance_loss", 2e-6},
                                             {"grad_norm", 4e-5}, {"lr", 1e-14},      {"tokens", 1e-14},
                                             {"max_vio", 1e-12},  {"dropped", 1e-12}};
  for (const auto& [key, bound] : bounds) {
    const TensorInfo* t = expected.find("log." + key);
    if (!t) continue;
    ASSERT_EQ(t->shape[0], int64_t(steps.size())) << key;
    const Values e = values_of(*t);
    const size_t width = e.size() / steps.size();
    for (size_t step = 0; step < steps.size(); ++step) {
      Values s;
      const auto found = steps[step].find(key);
      if (found == steps[step].end()) s.assign(width, 0);  // not computed, or zero
      else if (found->is_object())
        for (const auto& [layer, value] : found->items()) s.push_back(value);
      else if (found->is_array()) s = found->get<Values>();
      else s = {found->get<double>()};
      const Values of_step(e.begin() + std::ptrdiff_t(step * width), e.begin() + std::ptrdiff_t((step + 1) * width));
      EXPECT_TRUE(all_near(s, of_step, {.atol = 1e-14, .rtol = bound})) << key << " of step " << step + 1;
    }
  }
}

std::vector<std::string> cases() {
  std::vector<std::string> all;
  for (const auto& entry : fs::directory_iterator(test::source_file("tests/steps")))
    if (fs::exists(entry.path() / "recipe.toml")) all.push_back(entry.path().filename());
  std::sort(all.begin(), all.end());
  return all;
}

class Steps : public ::testing::TestWithParam<std::string> {};

TEST_P(Steps, AreThoseOfTheIndependentTrainer) {
  const fs::path folder = test::source_file("tests/steps") / GetParam();
  const SafetensorsFile expected = SafetensorsFile::open(folder / "expected.safetensors");
  for (const char* isa : {"", "baseline"}) {
    SCOPED_TRACE(*isa ? isa : "the default instruction set");
    const PretrainRun run(folder, isa);
    const SafetensorsFile state = SafetensorsFile::open(run.checkpoint() / "train" / "state.safetensors");
    expect_state(expected, state);
    expect_log(expected, run.steps());
    expect_published(run.checkpoint(), state, "w.");
    const bool average = state.find("e.embed_tokens") != nullptr;
    EXPECT_EQ(fs::exists(run.checkpoint() / "average"), average);
    if (average) expect_published(run.checkpoint() / "average", state, "e.");
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Steps, ::testing::ValuesIn(cases()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace minke
