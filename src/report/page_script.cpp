#include "report/page_parts.h"

namespace minke {

// Values are read back from the pictures with the scales in their data- attributes: nothing is stored twice.
std::string_view page_script() {
  return R"js(
(() => {
  const root = document.documentElement;
  const store = {  // a page opened as a file may not have any
    get: key => { try { return localStorage.getItem('minke-' + key) } catch (e) { return null } },
    set: (key, value) => { try { localStorage.setItem('minke-' + key, value) } catch (e) {} },
  };

  // Light and dark: as the system says, until the button is pressed.
  const theme = document.getElementById('theme');
  const dark = () => root.dataset.theme ? root.dataset.theme == 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
  if (store.get('theme')) root.dataset.theme = store.get('theme');
  const name_theme = () => { theme.textContent = dark() ? 'Light' : 'Dark' };
  name_theme();
  theme.hidden = false;
  theme.onclick = () => {
    root.dataset.theme = dark() ? 'light' : 'dark';
    store.set('theme', root.dataset.theme);
    name_theme();
  };

  for (const choice of document.querySelectorAll('.axis-choice')) {
    if (store.get('x') == choice.id) choice.checked = true;
    choice.onchange = () => store.set('x', choice.id);
  }

  const follow = document.getElementById('follow');  // only while the run goes on
  if (follow) {
    let timer;
    const set = on => {
      follow.setAttribute('aria-pressed', on);
      store.set('follow', on ? 1 : '');
      clearTimeout(timer);
      if (on) timer = setTimeout(() => location.reload(), 20000);
    };
    follow.hidden = false;
    set(store.get('follow') == '1');
    follow.onclick = () => set(follow.getAttribute('aria-pressed') != 'true');
  }

  const tip = document.createElement('div');
  tip.id = 'tip';
  document.body.append(tip);
  const line = (text, colour) => {
    const out = document.createElement('div');
    if (colour) out.append(Object.assign(document.createElement('i'), { className: colour }));
    out.append(text);
    return out;
  };
  const show = (event, lines) => {
    tip.replaceChildren(...lines);
    tip.style.display = 'block';
    const w = tip.offsetWidth, h = tip.offsetHeight, x = event.clientX, y = event.clientY;
    tip.style.left = Math.max(4, x + 16 + w > innerWidth ? x - w - 14 : x + 16) + 'px';
    tip.style.top = Math.max(4, Math.min(y + 12, innerHeight - h - 4)) + 'px';
  };
  const hide = () => { tip.style.display = 'none' };
  const numbers = text => text.trim().split(' ').map(Number);
  const short = v => v >= 1e9 ? (v / 1e9).toPrecision(4) + 'B' : v >= 1e6 ? (v / 1e6).toPrecision(4) + 'M'
    : v >= 1e4 ? (v / 1e3).toPrecision(4) + 'k' : v < 100 && v % 1 ? v.toPrecision(3) : String(Math.round(v));
  // Where the pointer is in units of the picture.
  const place = (event, svg) => {
    const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
    return [(event.clientX - box.left) * view.width / box.width, (event.clientY - box.top) * view.height / box.height];
  };
  // The value at p between the ends of an axis; scale: [low, high, logarithmic].
  const value = (p, [low, high, log], from, to) => {
    const t = (p - from) / (to - from);
    return log ? low * Math.pow(high / low, t) : low + t * (high - low);
  };

  // The points of a path of M x y h0 l dx dy dx dy …
  const path_points = d => {
    const points = [];
    let x = 0, y = 0;
    for (const [, x0, y0, steps] of d.matchAll(/M(\S+) (\S+?)h0(?:l([^M]*))?/g)) {
      points.push([x = +x0, y = +y0]);
      const n = (steps || '').match(/-?[\d.]+/g) || [];
      for (let i = 0; i < n.length; i += 2) points.push([x += +n[i], y += +n[i + 1]]);
    }
    return points;
  };

  for (const svg of document.querySelectorAll('svg.chart')) {
    const x = numbers(svg.dataset.x), y = numbers(svg.dataset.y);
    const [left, top, right, bottom] = numbers(svg.dataset.box);
    const cursor = document.createElementNS(svg.namespaceURI, 'path');
    cursor.setAttribute('class', 'cursor');
    let curves;
    svg.addEventListener('pointermove', event => {
      curves = curves || [...svg.querySelectorAll('.line')].map(path => ({
        name: path.dataset.l,
        colour: path.getAttribute('class').match(/c\d/)[0],
        points: path_points(path.getAttribute('d')),
      }));
      const at = Math.min(right, Math.max(left, place(event, svg)[0]));
      const away = point => Math.abs(point[0] - at);
      const nearest = curves.map(c => c.points.reduce((a, b) => away(b) < away(a) ? b : a));
      const best = nearest.reduce((a, b) => away(b) < away(a) ? b : a)[0];
      cursor.setAttribute('d', `M${best} ${top}V${bottom}`);
      svg.append(cursor);
      const lines = [line(svg.dataset.xt + ' ' + short(value(best, x, left, right)))];
      curves.forEach((c, i) => {  // those that have a value here; few points lie far apart
        if (Math.abs(nearest[i][0] - best) < (c.points.length < 60 ? 24 : 3))
          lines.push(line(c.name + '  ' + value(nearest[i][1], y, bottom, top).toPrecision(4), c.colour));
      });
      show(event, lines);
    });
    svg.addEventListener('pointerleave', () => { hide(); cursor.remove() });
  }

  for (const svg of document.querySelectorAll('svg.heat')) {
    const ends = numbers(svg.dataset.x), rows = svg.dataset.rows.split('|');
    const columns = +svg.dataset.n, experts = +svg.dataset.e;
    const [left, top, right, bottom] = numbers(svg.dataset.box);
    let bytes;
    svg.addEventListener('pointermove', event => {
      const [px, py] = place(event, svg);
      if (px < left || px >= right || py < top || py >= bottom) return hide();
      bytes = bytes || atob(svg.querySelector('image').getAttribute('href').split(',')[1]);
      const column = Math.floor((px - left) / (right - left) * columns);
      const row = Math.floor((py - top) / (bottom - top) * rows.length);
      // A BMP: 1078 bytes before the cells, rows from the bottom, each padded to four.
      const index = bytes.charCodeAt(1078 + (rows.length - 1 - row) * (columns + 3 & ~3) + column);
      const ratio = Math.pow(2, (index - 1) / 254 * 4 - 2);
      const text = index == 0 ? 'nothing logged' : index == 1 ? 'at most ¼ of the mean'
        : index == 255 ? '4 × the mean or more'
        : ratio.toFixed(2) + ' × the mean' + (experts ? ' = ' + (100 * ratio / experts).toPrecision(2) + ' % of the load' : '');
      const steps = (column ? 'steps ' + short(ends[column - 1]) + '–' : 'to step ') + short(ends[column]);
      show(event, [line(rows[row] + ', ' + steps), line(text)]);
    });
    svg.addEventListener('pointerleave', hide);
  }
})();
)js";
}

}  // namespace minke
