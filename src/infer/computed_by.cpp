#include "infer/computed_by.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/files.h"
#include "kernels/backend.h"

namespace minke {
namespace {

constexpr double kReadWhole = 10e9;  // parameters: seconds; of a larger model eight rows of each matrix stand for all

}  // namespace

std::string computed_by(const Context& ctx, const CheckpointFiles& files, const EngineSettings& settings,
                        std::string_view how) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_128bits_reset(state.get());
  const auto add = [&](std::string_view bytes) { XXH3_128bits_update(state.get(), bytes.data(), bytes.size()); };
  const auto add_rows = [&](const WeightInfo& w, int64_t first, int64_t rows) {
    if (const auto stored = files.weights.stored_rows(w.name)) {
      for (int64_t r = first; r < first + rows; ++r) {
        const auto row = stored->row(r);
        add({reinterpret_cast<const char*>(row.data()), row.size()});
      }
      return;
    }
    std::vector<float> values;
    in_row_pieces(rows, w.shape.back(), [&](int64_t from, int64_t count) {
      values.resize(size_t(count * w.shape.back()));
      files.weights.read_rows_as_f32(w.name, first + from, count, values.data(), files.config.scale_block());
      add({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
    });
  };
  add(config_to_json(files.config).dump());
  double parameters = 0;
  for (const WeightInfo& w : files.weights.all())
    parameters += std::accumulate(w.shape.begin(), w.shape.end(), 1.0, std::multiplies<>());
  for (const WeightInfo& w : files.weights.all()) {
    add(w.name), add(w.format);
    const int64_t rows = w.shape.size() == 2 ? w.shape[0] : 1;
    if (parameters <= kReadWhole) {
      add_rows(w, 0, rows);
    } else {
      for (int64_t i = 0; i < std::min<int64_t>(rows, 8); ++i) add_rows(w, i * rows / 8, 1);
    }
  }
  add(fmt::format("{} {} {} {} {} {} {}", ctx.backend->name(), name_of(settings.cache), settings.page,
                  int(settings.form), settings.share_answers, settings.most_drafts() > 0, how));
  const MappedFile program("/proc/self/exe");
  add(program.text());
  const XXH128_hash_t h = XXH3_128bits_digest(state.get());
  return fmt::format("{:016x}{:016x}", h.high64, h.low64);
}

}  // namespace minke
