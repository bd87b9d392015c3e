#include "report/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "core/human_numbers.h"

namespace minke {

std::string progress_bar(double share, int width) {
  const int full = int(std::floor(std::clamp(share, 0.0, 1.0) * width + 1e-9));
  std::string bar = "▕";
  for (int i = 0; i < width; ++i) bar += i < full ? "█" : " ";
  return bar + "▏";
}

std::string step_line(const StepLine& l, int columns) {
  // In the order of the line; of those that must go, the highest rank goes first. Rank 0 stays.
  struct Part {
    int rank;
    std::string text;
  };
  std::vector<Part> parts{{0, fmt::format("step {}/{}", l.step, l.steps)},
                          {6, fmt::format(" {}", progress_bar(l.steps ? double(l.step) / double(l.steps) : 0, 16))},
                          {0, fmt::format(" loss {:.3f}", l.loss)},
                          {0, l.note.empty() ? "" : "  " + l.note},
                          {7, fmt::format("  lr {:.2g}", l.lr)},
                          {4, fmt::format("  |g| {:.2f}", l.grad_norm)},
                          {2, fmt::format("  {} tok/s", human_count(l.tokens_per_second))}};
  if (l.share_of_peak > 0) parts.push_back({8, fmt::format(" ({:.0f} % of peak)", 100 * l.share_of_peak)});
  for (double m : l.mtp_loss) parts.push_back({9, fmt::format("  mtp {:.3f}", m)});
  if (l.load_max_over_mean > 0) {
    parts.push_back({3, fmt::format("  load max/mean {:.2f}", l.load_max_over_mean)});
    parts.push_back({5, fmt::format("  MaxVio {:.2f}", l.max_violation)});
    parts.push_back({10, fmt::format(" (layer {}: {:.2f})", l.worst_layer, l.worst_max_violation)});
  }
  parts.push_back({1, fmt::format("  ETA {}", human_time(l.eta_seconds))});

  std::string text;
  for (int allowed = 10;; --allowed) {
    text.clear();
    for (const Part& p : parts)
      if (p.rank <= allowed) text += p.text;
    // One column a code point: continuation bytes of UTF-8 take none.
    const auto width = std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
    if (columns <= 0 || width < columns || allowed == 0) return text;
  }
}

Console::Console(std::FILE* out) : out_(out), terminal_(::isatty(::fileno(out)) == 1) {}

int Console::columns() const {
  struct winsize size {};
  return terminal_ && ::ioctl(::fileno(out_), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void Console::progress(const std::string& line, int64_t step, int64_t steps) {
  if (terminal_) {
    std::fprintf(out_, "\r%s\033[K", line.c_str());
    std::fflush(out_);
    open_line_ = true;
    if (step >= steps) print("");
    return;
  }
  const int64_t mark = steps > 0 ? step * 50 / steps : step;
  if (mark == last_mark_ && step != 1) return;
  last_mark_ = steps == 0 || step < steps ? mark : -1;  // the next thing of which there is progress begins anew
  print(line);
}

void Console::print(const std::string& line) {
  if (open_line_) std::fputs("\n", out_);
  open_line_ = false;
  if (!line.empty()) std::fprintf(out_, "%s\n", line.c_str());
  std::fflush(out_);
}

}  // namespace minke
