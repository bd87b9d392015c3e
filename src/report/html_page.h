// The page of a report: one file that loads nothing (a content policy forbids it), light and dark, readable on a phone,
// complete without its script. The script adds values under the pointer, the choice of light or dark, and reloading
// during a run. Test: tests/report/report_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/enum_names.h"

namespace minke {

struct Page {
  std::string title;     // text
  std::string subtitle;  // HTML, as all that follows
  std::string header;    // between the title and the switch of the axes
  std::string body;
  bool going_on = false;   // the run has not ended: offer to reload
  bool has_curves = true;  // whose axes can be chosen
};

// The horizontal axes to choose from. A chart has one <div class="by-<name>"> for each; CSS shows the chosen one.
enum class XAxis : uint8_t { step, logstep, token, minute };
template <> struct EnumNames<XAxis> {
  static constexpr EnumName<XAxis> all[] = {
      {XAxis::step, "step"}, {XAxis::logstep, "logstep"}, {XAxis::token, "token"}, {XAxis::minute, "minute"}};
};

std::string html_page(const Page& page);

// <figure> with heading, text below it and content (HTML); empty content gives nothing.
std::string figure(std::string_view heading, std::string_view unit, std::string_view note, std::string_view content);

}  // namespace minke
