#include "report/page_parts.h"

namespace minke {

std::string_view page_style() {
  return R"css(
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif }
.wrap { max-width: 1240px; margin: 0 auto; padding: 0 20px }
h2 { font-size: 19px; margin: 34px 0 12px }
h3 { font-size: 15px; margin: 0 }
h3 small { font-weight: 400; color: var(--muted); margin-left: 6px }
.note { color: var(--muted); font-size: 13px; margin: 2px 0 4px }
footer { color: var(--muted); font-size: 13px; padding: 30px 0 40px }

/* the head */
.top { background: linear-gradient(135deg, #0b2545, #134074 55%, #1b6f8f); color: #fff; padding: 22px 0 62px }
.top .wrap { display: flex; align-items: flex-start; gap: 16px }
.top svg { width: 54px; flex: none; margin-top: 6px }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere }
.sub { opacity: .85; font-size: 14px; overflow-wrap: anywhere }
.badge { display: inline-block; border-radius: 99px; padding: 0 10px; font-size: 13px; background: #ffffff2b;
  margin-left: 8px; vertical-align: 3px }
.badge.done { background: #2fb98a55 }
.tools { margin-left: auto; display: flex; gap: 8px; flex: none }
button { font: inherit; font-size: 13px; color: #fff; background: #ffffff22; border: 1px solid #ffffff44;
  border-radius: 99px; padding: 3px 12px; cursor: pointer }
button:hover, button[aria-pressed=true] { background: #ffffff44 }

/* tiles, cards, tables */
.tile, figure, .card { background: var(--panel); border: 1px solid var(--grid); border-radius: 12px;
  box-shadow: 0 1px 2px #0000000d }
.lead { margin-top: -44px }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px }
.tile { padding: 12px 16px }
.tile b { display: block; font-size: 23px; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums;
  white-space: nowrap }
.tile span { color: var(--muted); font-size: 13px }
.card { padding: 6px 4px; overflow-x: auto }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; min-width: 100% }
td, th { padding: 6px 12px; text-align: left; border-bottom: 1px solid var(--grid); vertical-align: top }
th { font-weight: 600 }
tr:last-child > * { border-bottom: 0 }
td.best { font-weight: 700 }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 11px; background: var(--c);
  margin-right: 7px }
.sample { padding: 12px 16px; margin: 0 0 12px }
.sample p { margin: 6px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 16px;
  font-family: Georgia, 'Times New Roman', 'Noto Serif CJK SC', serif }
.sample .prompt, .sample small { color: var(--muted) }
details > summary { cursor: pointer; color: var(--muted); margin: 8px 0 }
pre { margin: 0; padding: 10px 14px; overflow-x: auto; font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace }

/* figures */
.grid2 { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px }
.grid3 { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 16px }
figure { margin: 0; padding: 14px 16px 8px; min-width: 0 }
svg.chart, svg.heat { display: block; width: 100%; height: auto; touch-action: pan-y }
svg.heat image { image-rendering: pixelated }
svg.heat text { font-size: 13px }
.grid3 svg.heat text { font-size: 19px }
.grid3 svg .odd { display: none }
svg.scale { width: 250px; max-width: 100%; display: block }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 13px; margin: 4px 0 }
.legend i { display: inline-block; width: 16px; border-top: 3px solid var(--c); vertical-align: 4px; margin-right: 6px }
.legend i.dash { border-top-style: dashed }
.legend b { font-variant-numeric: tabular-nums }
.bar { position: sticky; top: 0; z-index: 3; background: var(--page); padding: 10px 0; margin-top: 14px;
  display: flex; flex-wrap: wrap; gap: 6px; align-items: center; font-size: 14px }
.bar label { border: 1px solid var(--grid); background: var(--panel); border-radius: 99px; padding: 2px 12px;
  cursor: pointer }
.axis-choice { position: absolute; opacity: 0; pointer-events: none }
.cursor { stroke: var(--muted); stroke-dasharray: 3 3; fill: none }
#tip { position: fixed; z-index: 9; pointer-events: none; display: none; background: var(--ink); color: var(--page);
  border-radius: 8px; padding: 6px 10px; font-size: 13px; line-height: 1.45; max-width: 320px;
  font-variant-numeric: tabular-nums }
#tip i { display: inline-block; width: 9px; height: 9px; border-radius: 9px; background: var(--c); margin-right: 6px }

/* smaller screens: fewer columns; text in pictures grows as they shrink, and of many labels every other goes */
@media (max-width: 900px) {
  .grid2 { grid-template-columns: minmax(0, 1fr) }
  .grid3 { grid-template-columns: repeat(2, minmax(0, 1fr)) }
}
@media (max-width: 640px) {
  .wrap { padding: 0 12px }
  .grid3 { grid-template-columns: minmax(0, 1fr) }
  .tiles { grid-template-columns: 1fr 1fr; gap: 8px }
  .tile { padding: 10px 12px }
  .tile b { font-size: 19px }
  h1 { font-size: 21px }
  .top svg { width: 40px }
  .tools { flex-direction: column }
  figure { padding: 12px 10px 6px }
  svg.chart text, svg.heat text { font-size: 18px }
  svg .odd { display: none }
  .line { stroke-width: 2.6 }
}
@media print { .bar, .tools { display: none } }
)css";
}

}  // namespace minke
