#include "reward/response.h"

#include <algorithm>
#include <array>

#include "reward/tokens.h"

namespace minke {
namespace {

constexpr std::string_view kThink = "<think>", kThinkEnd = "</think>", kAnswer = "<answer>", kAnswerEnd = "</answer>";
constexpr auto npos = std::string_view::npos;

// The outermost boxes that are closed, in one pass: counting again from each "\boxed{" would be quadratic in a million of them.
template <class Each> void each_box(std::string_view text, const Each& each) {
  constexpr std::string_view kBox = "\\boxed";
  constexpr size_t kMaxOpen = 64;
  struct Open {
    size_t begin, content;
    long depth;
  };
  std::array<Open, kMaxOpen> open;
  size_t num_open = 0;
  // Found inside of a box that may not be closed: given out when no box is open around it.
  std::string_view whole, content;
  long depth = 0;
  const auto flush = [&] {
    if (!whole.empty()) each(whole, content);
    whole = {};
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (text.compare(i, kBox.size(), kBox) == 0) {
        size_t brace = i + kBox.size();
        while (brace < text.size() && text[brace] == ' ') ++brace;
        if (brace < text.size() && text[brace] == '{' && num_open < kMaxOpen) {
          if (num_open == 0) flush();
          open[num_open++] = {i, brace + 1, depth++};
          i = brace;
          continue;
        }
      }
      ++i;  // what is escaped is no brace
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}') {
      --depth;
      if (num_open > 0 && open[num_open - 1].depth == depth) {
        const Open& box = open[--num_open];
        whole = text.substr(box.begin, i + 1 - box.begin);
        content = text.substr(box.content, i - box.content);
        if (num_open == 0) flush();
      }
      if (num_open == 0) depth = 0;
    }
  }
  flush();
}

// Nothing but "or", "and", commas and the like.
bool only_joins(std::string_view between) {
  if (between.size() > 32) return false;
  const Tokens tokens = tokens_of(between);
  return !tokens.unreadable && std::all_of(tokens.all.begin(), tokens.all.end(), [](const Token& t) {
    if (t.kind == TokenKind::symbol) return t.text != "." && t.text != "=" && t.text != ":";
    return t.text == "or" || t.text == "and" || t.text == "或" || t.text == "和" || t.text == "maybe";
  });
}

MarkedAnswer last_box(std::string_view text) {
  MarkedAnswer found;
  size_t run_begin = 0, run_end = 0;
  bool same = true;
  each_box(text, [&](std::string_view whole, std::string_view content) {
    const size_t begin = size_t(whole.data() - text.data());
    if (found.mark != Mark::none && only_joins(text.substr(run_end, begin - run_end))) {
      same = same && trimmed(content) == trimmed(found.text);
      if (same) found = {Mark::careless, content, "the same box twice"};
    } else {
      same = true;
      run_begin = begin;
      found = {Mark::exact, content};
    }
    run_end = begin + whole.size();
  });
  if (!same) found = {Mark::exact, text.substr(run_begin, run_end - run_begin)};
  return found;
}

MarkedAnswer last_tag(std::string_view text) {
  const size_t first = text.find(kAnswer);
  if (first == npos) return {};
  MarkedAnswer found;
  const bool once = count_up_to_two(text, kAnswer) == 1 && count_up_to_two(text, kAnswerEnd) <= 1;
  size_t end = text.find(kAnswerEnd, first);
  for (size_t begin = first; begin != npos;) {
    const size_t content = begin + kAnswer.size();
    const size_t next = text.find(kAnswer, content);
    if (end < content) end = text.find(kAnswerEnd, content);
    const std::string_view block = text.substr(content, std::min({next, end, text.size()}) - content);
    if (found.mark == Mark::none)
      found = {Mark::careless, block, "the answer is not between one <answer> and one </answer>"};
    else if (trimmed(block) != trimmed(found.text)) return {Mark::hedge, {}, "several answers"};
    if (once && end != npos) found = {Mark::exact, block};
    begin = next;
  }
  return found;
}

}  // namespace

Thought thought_after(std::string_view prompt) {
  return trimmed(prompt).ends_with(kThink) ? Thought::begun_in_prompt : Thought::begins_in_response;
}

ResponseParts parts_of(std::string_view response, Thought thought) {
  ResponseParts parts;
  const size_t begin = response.find(kThink), end = response.rfind(kThinkEnd);
  parts.has_thought = thought == Thought::begun_in_prompt || begin != npos || end != npos;
  if (!parts.has_thought) {
    parts.rest = response;
    return parts;
  }
  const size_t from = thought == Thought::begun_in_prompt || begin == npos || begin > end ? 0 : begin + kThink.size();
  parts.thought_ended = end != npos;
  if (!parts.thought_ended) {
    parts.thought = response.substr(thought == Thought::begun_in_prompt ? 0 : begin + kThink.size());
    return parts;
  }
  parts.thought = response.substr(from, end - from);
  parts.rest = response.substr(end + kThinkEnd.size());
  if (const size_t again = parts.rest.find(kThink); again != npos) parts.rest = parts.rest.substr(0, again);
  return parts;
}

MarkedAnswer marked_answer(std::string_view text) {
  MarkedAnswer tag = last_tag(text);
  if (tag.mark == Mark::none) return last_box(text);
  if (tag.mark == Mark::hedge) return tag;
  if (const MarkedAnswer box = last_box(tag.text); box.mark != Mark::none) {
    tag.text = box.text;
    if (box.mark == Mark::careless) tag.mark = box.mark, tag.reason = box.reason;
  }
  return tag;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

int count_up_to_two(std::string_view text, std::string_view part) {
  const size_t first = text.find(part);
  if (first == npos) return 0;
  return text.find(part, first + part.size()) == npos ? 1 : 2;
}

}  // namespace minke
