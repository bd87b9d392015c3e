#include "infer/computed_by.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "kernels/backend.h"

namespace minke {

std::string computed_by(const Context& ctx, const CheckpointFiles& files, const EngineSettings& settings,
                        std::string_view how) {
  constexpr size_t kMostWeights = 4096;  // of the many experts of a large model some stand for all
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_128bits_reset(state.get());
  const auto add = [&](std::string_view bytes) { XXH3_128bits_update(state.get(), bytes.data(), bytes.size()); };
  add(config_to_json(files.config).dump());
  const auto all = files.weights.all();
  const size_t looked_at = std::min(all.size(), kMostWeights);
  std::vector<float> row;
  for (size_t i = 0; i < looked_at; ++i) {
    const WeightInfo& w = all[i * all.size() / looked_at];
    add(w.name), add(w.format);
    const bool is_matrix = w.shape.size() == 2;
    row.resize(size_t(w.shape.back()));
    files.weights.read_rows_as_f32(w.name, is_matrix ? w.shape[0] / 2 : 0, 1, row.data(), files.config.scale_block());
    add({reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float)});
  }
  add(fmt::format("{} {} {} {} {} {} {}", ctx.backend->name(), name_of(settings.cache), settings.page,
                  int(settings.form), settings.share_answers, settings.most_drafts() > 0, how));
  const MappedFile program("/proc/self/exe");
  add(program.text());
  const XXH128_hash_t h = XXH3_128bits_digest(state.get());
  return fmt::format("{:016x}{:016x}", h.high64, h.low64);
}

}  // namespace minke
