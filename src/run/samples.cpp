#include "run/samples.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/text.h"

namespace minke {

void write_sample(const RunView& run, Engine& engine, const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                  const std::string& prompt, uint64_t seed) {
  const auto made = generate(run.ctx, engine,
                             {.prompt = ids,
                              .max_new = run.recipe.log.sample_tokens,
                              .sampling = {.temperature = 0.7, .top_p = 0.95, .seed = seed}},
                             [&](const NewToken& t) { return t.token != tokenizer.eos_id(); });
  const std::string text = valid_utf8(tokenizer.decode(made, true));  // it may end within a character
  run.console.print(fmt::format("sample      {}▶{}", prompt, text));
  run.log.write({{"step", run.step()}, {"prompt", prompt}, {"sample", text}});
}

}  // namespace minke
