// Formulas: $…$, $$…$$, \(…\) and \[…\] become MathML by KaTeX, which every browser draws. KaTeX is told to trust nothing: no links,
// no images, no classes or data of the formula's own.
import {element} from './dom.js';
import {libraries, needMathematics} from './libraries.js';

const blockForm = /^ {0,3}(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
// A dollar is a price where it stands before a space or behind one.
const inlineForms = [
  {form: /^\\\(([\s\S]+?)\\\)/, display: false},
  {form: /^\\\[([\s\S]+?)\\\]/, display: true},
  {form: /^\$\$([^$]+?)\$\$/, display: true},
  // As models write the end of a derivation, with or without dollars.
  {form: /^(\\boxed\{(?:[^{}\n]|\{(?:[^{}\n]|\{[^{}\n]*\})*\})*\})/, display: false},
  {form: /^\$(?![\s$])((?:\\[\s\S]|[^\\$\n])*?[^\s\\$]|[^\s\\$])\$(?!\d)/, display: false},
];

export const mathExtensions = [
  {name: 'blockMath', level: 'block',
    start(text) { return /(?:^|\n) {0,3}(?:\$\$|\\\[)/.exec(text)?.index; },
    tokenizer(text) {
      const found = blockForm.exec(text);
      return found ? {type: 'blockMath', raw: found[0], tex: (found[1] ?? found[2]).trim()} : undefined;
    }},
  {name: 'math', level: 'inline',
    start(text) { return /\$|\\\(|\\\[|\\boxed\{/.exec(text)?.index; },
    tokenizer(text) {
      for (const {form, display} of inlineForms) {
        const found = form.exec(text);
        if (found) return {type: 'math', raw: found[0], tex: found[1].trim(), display};
      }
      return undefined;
    }},
];

function draw(into, tex, display) {
  const made = element('span');
  try {
    libraries.katex.render(tex, made, {output: 'mathml', displayMode: display, trust: false, strict: 'ignore', throwOnError: true,
      maxSize: 20, maxExpand: 500});
  } catch { return; }  // no formula, or not yet: its text stays
  for (const e of made.querySelectorAll?.('[style]') ?? []) e.removeAttribute('style');  // what the page's policy forbids anyway
  into.replaceChildren(...made.childNodes);
}

export function math(tex, display) {
  const into = element(display ? 'div' : 'span', {class: display ? 'math display' : 'math'}, element('code', {}, tex));
  if (display) { into.setAttribute('tabindex', '0'); into.setAttribute('role', 'group'); into.setAttribute('aria-label', '∑'); }
  if (libraries.katex) draw(into, tex, display);
  else needMathematics().then(() => draw(into, tex, display)).catch(() => {});
  return into;
}
