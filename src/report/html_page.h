// The page of a report: one file that loads nothing (a content policy forbids it), light and dark, readable on a phone,
// complete without its script. The script adds values under the pointer, the choice of light or dark, and reloading
// during a run. Test: tests/report/report_test.cpp.
#pragma once
#include <string>
#include <string_view>

namespace minke {

struct Page {
  std::string title;     // text
  std::string subtitle;  // HTML, as all that follows
  std::string header;    // between the title and the switch of the axes
  std::string body;
  bool going_on = false;  // the run has not ended: offer to reload
};

// The horizontal axes to choose from. A chart has one <div class="by-<id>"> for each; CSS shows the chosen one.
struct XAxis {
  const char* id;
  const char* label;
};
constexpr XAxis kXAxes[] = {{"step", "steps"}, {"logstep", "steps, log"}, {"token", "tokens"}, {"minute", "minutes"}};

std::string html_page(const Page& page);

// <figure> with heading, text below it and content (HTML); empty content gives nothing.
std::string figure(std::string_view heading, std::string_view unit, std::string_view note, std::string_view content);

}  // namespace minke
