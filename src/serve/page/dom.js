// Elements are made one by one, and text is only ever text: no string becomes HTML anywhere in this page.

// element('button', {class: 'icon', type: 'button', onclick: f}, 'text', child…)
export function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) e.addEventListener(key.slice(2), value);
    else e.setAttribute(key, value === true ? '' : String(value));
  }
  e.append(...children.filter(c => c !== null && c !== undefined));
  return e;
}

const svgSpace = 'http://www.w3.org/2000/svg';

// One of the pictures in index.html.
export function icon(name) {
  const svg = document.createElementNS(svgSpace, 'svg'), use = document.createElementNS(svgSpace, 'use');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', '#i-' + name);
  svg.append(use);
  return svg;
}

export function iconButton(name, label, onclick, more = {}) {
  return element('button', {type: 'button', class: 'icon', 'aria-label': label, title: label, onclick, ...more}, icon(name));
}

export const byId = id => document.getElementById(id);

// What a screen reader says, once.
export function say(text) {
  const place = byId('say');
  place.textContent = '';
  setTimeout(() => { place.textContent = text; }, 50);
}

// At most one call a frame of the screen, with the last state of things.
export function oncePerFrame(f) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    // A page in the background has no frames.
    const later = document.hidden ? g => setTimeout(g, 250) : requestAnimationFrame;
    later(() => { waiting = false; f(); });
  };
}
