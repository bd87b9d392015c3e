#include "report/html_page.h"

#include <fmt/format.h>

#include "report/page_parts.h"
#include "report/svg_chart.h"
#include "report/text.h"

namespace minke {
namespace {

constexpr std::string_view kWhale = R"svg(<svg viewBox="0 0 64 44" aria-hidden="true">
<path fill="#fff" d="M3 22c2 12 12 19 27 19 12 0 20-5 23-14 1-4 1-7 1-9 4 0 8-3 9-8-4-1-7 0-10 2-2-3-5-5-10-5 1 5 4 8 8 10
-2 6-7 9-13 8-7-1-11-7-19-9-8-1-15 0-16 6z"/><circle cx="14" cy="25" r="1.8" fill="#134074"/>
<path stroke="#134074" stroke-width="1.4" fill="none" d="M5 30c6 3 12 3 17 0M24 35c2-1 4-3 5-6"/>
<path stroke="#9fd8ef" stroke-width="2" stroke-linecap="round" fill="none" d="M18 11c0-4-2-6-5-7M18 11c0-4 2-6 5-7"/></svg>)svg";

std::string theme_style() {
  const std::string light = chart_colours(false) + "--page:#f4f7fa;color-scheme:light;",
                    dark = chart_colours(true) + "--page:#0a121d;color-scheme:dark;";
  // The palette runs through the colour of a light page; inverted with its hues turned back, through that of a dark one.
  const auto cells = [](const char* root) {
    return fmt::format("{0} svg.heat image,{0} svg.scale .cells{{filter:invert(1) hue-rotate(180deg)}}", root);
  };
  constexpr const char *kSystem = ":root:not([data-theme=light])", *kChosen = ":root[data-theme=dark]";
  std::string css = fmt::format(":root{{{}}}@media(prefers-color-scheme:dark){{{}{{{}}}{}}}{}{{{}}}{}", light, kSystem,
                                dark, cells(kSystem), kChosen, dark, cells(kChosen));
  for (const auto& x : EnumNames<XAxis>::all)
    css += fmt::format(
        "#x-{0}:not(:checked)~main .by-{0}{{display:none}}"
        "#x-{0}:checked~main label[for=x-{0}]{{background:var(--c0);border-color:var(--c0);color:var(--panel)}}"
        "#x-{0}:focus-visible~main label[for=x-{0}]{{outline:2px solid var(--c1)}}",
        x.name);
  return css;
}

const char* label_of(XAxis axis) {
  switch (axis) {
    case XAxis::step: return "steps";
    case XAxis::logstep: return "steps, log";
    case XAxis::token: return "tokens";
    case XAxis::minute: return "minutes";
  }
  return "";
}

}  // namespace

std::string figure(std::string_view heading, std::string_view unit, std::string_view note, std::string_view content) {
  if (content.empty()) return "";
  return fmt::format("<figure><h3>{}<small>{}</small></h3><div class=\"note\">{}</div>{}</figure>\n",
                     escape_html(heading), escape_html(unit), escape_html(note), content);
}

std::string html_page(const Page& page) {
  std::string choices, labels;
  for (const auto& x : EnumNames<XAxis>::all) {
    choices += fmt::format("<input class=\"axis-choice\" type=\"radio\" name=\"x\" id=\"x-{}\"{}>", x.name,
                           choices.empty() ? " checked" : "");
    labels += fmt::format("<label for=\"x-{}\">{}</label>", x.name, label_of(x.value));
  }
  return fmt::format(
             "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
             "'unsafe-inline'; script-src 'unsafe-inline'\"><meta name=\"referrer\" content=\"no-referrer\">"
             "<title>{}</title><style>{}{}{}</style></head><body>",
             escape_html(page.title), theme_style(), chart_style(), page_style()) +
         choices +
         fmt::format(
             "<main><header class=\"top\"><div class=\"wrap\">{}<div><h1>{}</h1><div class=\"sub\">{}</div></div>"
             "<div class=\"tools\">{}<button id=\"theme\" hidden>Dark</button></div></div></header>",
             kWhale, escape_html(page.title), page.subtitle,
             page.going_on ? "<button id=\"follow\" hidden title=\"reload every 20 seconds\">Follow</button>" : "") +
         fmt::format("<div class=\"wrap\"><div class=\"lead\">{}</div>{}\n{}", page.header,
                     page.has_curves ? fmt::format("<div class=\"bar\">Curves over {}</div>", labels) : "", page.body) +
         fmt::format(
             "<footer>Made by <b>minke report</b>. This page is one file; it loads nothing from anywhere.</footer>"
             "</div></main><script>{}</script></body></html>\n",
             page_script());
}

}  // namespace minke
