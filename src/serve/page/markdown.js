// Markdown as elements. marked cuts the text into tokens, and each token that is known here becomes an element made for it; HTML in the
// text stays text. So nothing that a model writes can be executed, load anything, or leave its place.
import {codeBlock} from './code.js';
import {element} from './dom.js';
import {libraries} from './libraries.js';
import {math, mathExtensions} from './math.js';

let prepared = null;
function lexer(text) {
  const {marked} = libraries;
  if (prepared !== marked) {
    marked.use({extensions: mathExtensions});
    prepared = marked;
  }
  return marked.lexer(text);
}

const hasTargets = tokens => Object.keys(tokens.links ?? {}).length > 0;

// As marked sees it, so that the lengths of its tokens are those of the text.
const normal = text => text.replace(/\r\n|\r/g, '\n').replace(/^( *)(\t+)/gm, (_, spaces, tabs) => spaces + '    '.repeat(tabs.length));

// The address of a link, or null: only those that open a page or a letter.
export function safeAddress(address) {
  try {
    const url = new URL(address);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch { return null; }
}

const named = {amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', hellip: '…', ndash: '–', mdash: '—', times: '×',
  divide: '÷', minus: '−', le: '≤', ge: '≥', ne: '≠', larr: '←', rarr: '→', deg: '°', pi: 'π', sum: '∑', infin: '∞', middot: '·', bull: '•'};
function decoded(text) {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(\w{1,10}));/g, (whole, decimal, hexadecimal, name) => {
    if (name) return Object.hasOwn(named, name) ? named[name] : whole;
    const code = decimal ? parseInt(decimal, 10) : parseInt(hexadecimal, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
  });
}
const unescaped = text => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => name === '#39' ? "'" : named[name]);

function link(address, children, title) {
  const safe = safeAddress(unescaped(address));
  if (!safe) return element('span', {title: address}, ...children);
  return element('a', {href: safe, title, target: '_blank', rel: 'noopener noreferrer nofollow'}, ...children);
}

function inline(tokens) {
  return (tokens ?? []).map(token => {
    switch (token.type) {
      case 'text': return token.tokens ? element('span', {}, ...inline(token.tokens)) : decoded(token.raw);
      case 'escape': return token.raw.slice(1);
      case 'strong': case 'em': case 'del': return element(token.type, {}, ...inline(token.tokens));
      case 'codespan': return element('code', {}, unescaped(token.text));
      case 'br': return element('br');
      case 'link': return link(token.href, inline(token.tokens), token.title ? unescaped(token.title) : undefined);
      // Nothing is loaded from elsewhere: who wants to see it goes there.
      case 'image': return link(token.href, ['🖼 ' + (unescaped(token.text) || token.href)]);
      case 'math': return math(token.tex, token.display);
      case 'html': return /^<br\s*\/?>$/i.test(token.raw) ? element('br') : token.raw;
      default: return token.raw;
    }
  });
}

// Of a loose list, one with empty lines in it, everything is a paragraph.
function listItem(item, isLoose, isOver) {
  const li = element('li', {}, ...(item.task ? [item.checked ? '☑ ' : '☐ '] : []));
  for (const token of item.tokens)
    if (token.type === 'text' && !isLoose) li.append(...(token.tokens ? inline(token.tokens) : [decoded(token.raw)]));
    else li.append(...block(token, isOver));
  return li;
}

function table(token) {
  const row = (cells, name) => element('tr', {}, ...cells.map((cell, i) =>
    element(name, {class: token.align[i] ? 'to-' + token.align[i] : undefined}, ...inline(cell.tokens))));
  return element('div', {class: 'wide-table', tabindex: 0, role: 'region', 'aria-label': '▦'}, element('table', {},
    element('thead', {}, row(token.header, 'th')), element('tbody', {}, ...token.rows.map(cells => row(cells, 'td')))));
}

// The elements of one token; isOver: nothing comes behind it that could change it.
function block(token, isOver) {
  switch (token.type) {
    case 'space': case 'def': return [];
    // The page has a heading, and so has each message.
    case 'heading': return [element('h' + Math.min(6, Math.max(3, token.depth + 1)), {}, ...inline(token.tokens))];
    case 'paragraph': case 'text': return [element('p', {}, ...(token.tokens ? inline(token.tokens) : [decoded(token.raw)]))];
    case 'code': return [codeBlock(token.text, token.lang ?? '', isOver)];
    case 'blockquote': return [element('blockquote', {}, ...token.tokens.flatMap(t => block(t, isOver)))];
    case 'list': {
      const start = token.ordered && Number(token.start) !== 1 ? Number(token.start) : undefined;
      return [element(token.ordered ? 'ol' : 'ul', {start}, ...token.items.map(item => listItem(item, token.loose, isOver)))];
    }
    case 'table': return [table(token)];
    case 'hr': return [element('hr')];
    case 'blockMath': return [math(token.tex, true)];
    default: return [element('p', {class: 'raw'}, token.raw)];  // HTML, and what another marked may have
  }
}

// A text that grows in an element: what is finished is made once, and only its end is made anew.
export class MarkdownView {
  constructor(into) {
    this.into = into;
    this.clear();
  }

  clear() {
    this.into.replaceChildren();
    this.made = 0;     // letters of the text whose elements are final
    this.blocks = [];  // their tokens' text
    this.tail = [];    // elements of the rest
  }

  set(text, isOver) {
    try { this.show(normal(text), isOver); } catch {  // ten thousand quotes within each other, say
      this.clear();
      this.into.append(element('p', {class: 'raw'}, text));
    }
  }

  show(text, isOver) {
    if (isOver) {
      // What comes late may change what came early: lists that go on, the targets of links.
      const tokens = lexer(text), all = tokens.filter(t => t.type !== 'space');
      if (!this.blocks.every((raw, i) => all[i]?.raw === raw) || hasTargets(tokens)) this.clear();
      this.replaceTail(all.slice(this.blocks.length), true);
      return;
    }
    const tokens = lexer(text.slice(this.made));
    // The targets of links are no tokens, so that the lengths of the others do not say where they stand: wait for the end.
    const last = hasTargets(tokens) ? 0 : tokens.findLastIndex(t => t.type !== 'space');
    for (const token of tokens.slice(0, Math.max(last, 0))) {
      this.made += token.raw.length;
      if (token.type === 'space') continue;
      if (this.tail.length > 0) this.replaceTail([], false);
      this.blocks.push(token.raw);
      this.into.append(...block(token, true));
    }
    this.replaceTail(tokens.slice(Math.max(last, 0)), false);
  }

  replaceTail(tokens, isOver) {
    for (const e of this.tail) e.remove();
    this.tail = tokens.flatMap(token => block(token, isOver));
    this.into.append(...this.tail);
  }
}
