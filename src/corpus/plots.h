// Plots of the short stories: want → problem → help → end. A plot is text in the language of grammar.h; `bind` chooses
// the things that the whole story uses (such as the toy and the place), so that its parts agree.
#pragma once
#include <span>
#include <string_view>

namespace minke::corpus {

enum class Cast { any, child, animal, whale };

struct Plot {
  Cast cast;
  std::string_view title, bind, want, problem, help, end, moral;
};

std::span<const Plot> english_plots();       // at home, at school, among friends
std::span<const Plot> english_wild_plots();  // forest, weather, sea and the minke whale
std::span<const Plot> chinese_plots();

}  // namespace minke::corpus
