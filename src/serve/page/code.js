// Blocks of code, coloured by highlight.js, whose answer is turned into elements: it is text with <span class="hljs-…"> and nothing else.
import {element, icon, say} from './dom.js';
import {libraries, needHighlighting} from './libraries.js';
import {t} from './strings.js';

const longest = 50_000;  // letters that are coloured

const letters = {amp: '&', lt: '<', gt: '>', quot: '"', '#x27': "'", '#39': "'"};
export function highlightedElements(html) {
  const root = element('span'), open = [root];
  for (const [part, name] of html.matchAll(/<span class="([\w\- ]+)">|<\/span>|<|[^<]+/g)) {
    if (name) {
      const span = element('span', {class: name});
      open.at(-1).append(span);
      open.push(span);
    } else if (part === '</span>') {
      if (open.length > 1) open.pop();
    } else {
      open.at(-1).append(part.replace(/&(amp|lt|gt|quot|#x27|#39);/g, (_, entity) => letters[entity]));
    }
  }
  return [...root.childNodes];
}

function colour(code, text, language) {
  if (!libraries.hljs.getLanguage(language)) return;
  try {
    code.replaceChildren(...highlightedElements(libraries.hljs.highlight(language, text, true).value));
  } catch { code.textContent = text; }
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say(t('copied'));
    return true;
  } catch { return false; }  // over plain HTTP to another machine a browser does not allow it
}

export function copyButton(text, name) {
  const label = element('span', {}, t('copy'));
  return element('button', {type: 'button', class: 'action', 'aria-label': name, onclick: async () => {
    label.textContent = await copy(text()) ? t('copied') : t('notCopied');
    setTimeout(() => { label.textContent = t('copy'); }, 1500);
  }}, icon('copy'), label);
}

export function codeBlock(text, info, isOver) {
  const language = /^[\w+#.-]{1,20}/.exec(info)?.[0] ?? '';
  const code = element('code', {}, text);
  if (isOver && language && text.length <= longest) {
    if (libraries.hljs) colour(code, text, language);
    else needHighlighting().then(() => colour(code, text, language)).catch(() => {});
  }
  return element('div', {class: 'code'},
    element('div', {class: 'code-head'}, element('span', {}, language || t('code')), copyButton(() => text, t('copyCode'))),
    element('pre', {tabindex: 0, role: 'region', 'aria-label': language || t('code')}, code));
}
