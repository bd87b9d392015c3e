// Markdown as elements, with the libraries of the distribution: what a friendly model writes, and what a hostile one does.
import './dom_stub.mjs';
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {createRequire} from 'node:module';
import {test} from 'node:test';
import {highlightedElements} from '../../src/serve/page/code.js';
import {libraries} from '../../src/serve/page/libraries.js';
import {MarkdownView, safeAddress} from '../../src/serve/page/markdown.js';

const require = createRequire(import.meta.url), folder = '/usr/share/javascript/';
const skip = existsSync(folder + 'marked') && existsSync(folder + 'katex') ? false : 'the libraries of the page are not installed';
if (!skip) {
  libraries.marked = require(folder + 'marked/marked.min.js');
  libraries.katex = require(folder + 'katex/katex.min.js');
  console.log = () => {};  // highlight.js says that it is old
  libraries.hljs = require(folder + 'highlight.js/highlight.min.js');
}

function made(text) {
  const into = document.createElement('div');
  new MarkdownView(into).set(text, true);
  return into;
}
const html = text => made(text).toString().slice(5, -6);

test('blocks and what is in them', {skip}, () => {
  assert.equal(html('## One\n\ntwo *three* **four** `five<b>`'), '<h3>One</h3><p>two <em>three</em> <strong>four</strong> <code>five&lt;b></code></p>');
  assert.equal(html('3. a\n4. b\n   - c'), '<ol start="3"><li>a</li><li>b<ul><li>c</li></ul></li></ol>');
  assert.equal(html('> a\n\n---'), '<blockquote><p>a</p></blockquote><hr></hr>');
  assert.match(html('|a|b|\n|:-:|-|\n|1|2|'), /<th class="to-center">a<\/th><th>b<\/th>.*<td class="to-center">1<\/td>/);
  assert.equal(html('a &amp; b &lt; &#65; &copy; \\* é'), '<p>a &amp; b &lt; A © * é</p>');
  assert.equal(html('- [x] done'), '<ul><li>☑ done</li></ul>');
});

test('formulas, and prices that are none', {skip}, () => {
  for (const text of ['$x^2$', '\\(x^2\\)', 'a $x^2$ b', '$$x^2$$', '\\[\nx^2\n\\]', '$$\nx^2\n$$'])
    assert.match(html(text), /<math[^>]*>.*<msup><mi>x<\/mi><mn>2<\/mn><\/msup>/, text);
  assert.match(html('The answer is \\boxed{\\frac{1}{2}}.'), /<menclose notation="box">/);
  assert.equal(html('It costs $5, or $ 6 and $7.'), '<p>It costs $5, or $ 6 and $7.</p>');
  assert.equal(html('`$x$`'), '<p><code>$x$</code></p>');
  assert.equal(html('$\\frac{$'), '<p><span class="math"><code>\\frac{</code></span></p>');  // none: its text stays
});

test('code is coloured, and stays text', {skip}, () => {
  const text = html('```cpp\nint x = 1 < 2; // <b>\n```');
  assert.match(text, /<span class="hljs-keyword">int<\/span> x = <span class="hljs-number">1<\/span> &lt;/);
  assert.ok(!text.includes('<b>'));
  assert.equal(made('```html\n<script>1</script>\n```').all().filter(e => e.name === 'script').length, 0);
  assert.match(html('````\n```\ninside\n```\n````'), /<code>```\ninside\n```<\/code>/);
  assert.equal(highlightedElements('<span class="hljs-a">x<b onclick=1>y</span></span><i>').map(String).join(''),
    '<span class="hljs-a">x&lt;b onclick=1>y</span>&lt;i>');
});

const allowed = new Set(['div', 'p', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'pre', 'code', 'span', 'strong', 'em', 'del', 'a', 'br',
  'hr', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'button', 'svg', 'use', 'math', 'semantics', 'annotation', 'mrow', 'mi', 'mo', 'mn', 'msup', 'mtext', 'mstyle', 'mpadded', 'mspace']);
const allowedAttributes = new Set(['class', 'href', 'title', 'target', 'rel', 'start', 'tabindex', 'role', 'aria-label', 'aria-hidden', 'type', 'xmlns',
  'encoding', 'display', 'stretchy', 'mathcolor', 'mathvariant', 'fence', 'lspace', 'rspace', 'separator', 'scriptlevel', 'displaystyle', 'width', 'height', 'voffset', 'mathbackground']);

const hostile = [
  '<script>alert(1)</script>', '<ScRiPt src=//evil></sCrIpT>', '<img src=x onerror=alert(1)>', '<svg onload=alert(1)><script>1</script></svg>',
  '<iframe srcdoc="<script>1</script>"></iframe>', '<style>*{display:none}</style>', '<form action=//evil><input name=x></form>', '<base href=//evil>',
  '<math><mi xlink:href="javascript:alert(1)">x</mi></math>', '<details open ontoggle=alert(1)>', 'a <b onmouseover=alert(1)>b</b>', '<!-- --><script>1</script>',
  '[a](javascript:alert(1))', '[a](JaVaScRiPt:alert(1))', '[a](  javascript:alert(1))', '[a](java\nscript:alert(1))', '[a](&#106;avascript:alert(1))',
  '[a](javascript&colon;alert(1))', '[a](\x01javascript:alert(1))', '[a](vbscript:x)', '[a](data:text/html,<script>1</script>)', '[a](file:///etc/passwd)',
  '[a](blob:http://x)', '<javascript:alert(1)>', '![a](javascript:alert(1))', '![a](data:image/svg+xml,<svg onload=alert(1)>)', '![x](http://evil/track.png)',
  '[a][b]\n\n[b]: javascript:alert(1)', '[a](//evil)', '[a](http://ok "\\" onclick=alert(1) x=\\"")', '[a](http://x/"onclick="alert(1))',
  '$\\href{javascript:alert(1)}{x}$', '$\\url{javascript:alert(1)}$', '$\\htmlClass{skip}{x}$', '$\\htmlId{send}{x}$', '$\\htmlStyle{position:fixed}{x}$',
  '$\\htmlData{x=1}{x}$', '$\\includegraphics{http://evil/a.png}$', '$\\text{<img src=x onerror=alert(1)>}$', '$\\def\\x{\\x\\x}\\x$', '$\\rule{1000em}{1000em}$',
  '```"><script>alert(1)</script>\nx\n```', '```js onclick=alert(1)\nx\n```', '`` `<script>` ``', '````\n```\n<script>\n````', '|<script>|a|\n|-|-|\n|<img src=x onerror=1>|b|',
  '# <script>1</script>', '> <script>1</script>', '- <img src=x onerror=1>', '<a href="javascript:1">x</a>', '&lt;script&gt;alert(1)&lt;/script&gt;', '\u0000<script>',
];

test('nothing hostile becomes more than text', {skip}, () => {
  for (const text of hostile)
    for (const variant of [text, 'before\n\n' + text + '\n\nafter', '**' + text + '**', '> ' + text]) {
      const all = made(variant).all();
      for (const e of all) {
        assert.ok(allowed.has(e.name), `${variant}: <${e.name}>`);
        for (const [name, value] of Object.entries(e.attributes)) {
          assert.ok(allowedAttributes.has(name), `${variant}: ${name}="${value}"`);
          if (name === 'href') assert.match(value, /^(https?:\/\/|mailto:|#i-)/, variant);
        }
        if (e.name === 'a') assert.deepEqual([e.attributes.target, e.attributes.rel], ['_blank', 'noopener noreferrer nofollow']);
      }
    }
});

test('addresses', () => {
  for (const good of ['http://a', 'https://a/b?c#d', 'mailto:a@b.c']) assert.ok(safeAddress(good), good);
  for (const bad of ['javascript:1', ' javascript:1', 'java\tscript:1', 'data:x', '//a', '/a', 'a', '', '#a', 'ftp://a', 'blob:http://a']) assert.equal(safeAddress(bad), null, bad);
});

test('what comes piece by piece ends as what comes at once, and is made once', {skip}, () => {
  const text = ['# T', 'A *b* c.\nd', '- one\n- two\n\n  more\n- three', '1. x\n\n2. y', '```py\na = 1\n\nb = 2\n```', '> q\n> r', '$$\na^2\n$$', '|a|b|\n|-|-|\n|1|2|',
    'Setext\n===', '[l][r] end', '\ttabbed code', '[r]: http://x.y'].join('\n\n');
  for (const size of [1, 3, 7, 50]) {
    const into = document.createElement('div'), view = new MarkdownView(into);
    let first = null;
    for (let at = 0; at < text.length; at += size) {
      view.set(text.slice(0, at), false);
      if (at > 100) { first ??= into.childNodes[1]; assert.equal(into.childNodes[1], first); }
    }
    view.set(text, true);
    assert.equal(into.toString(), made(text).toString());
  }
  // The target of a link in the middle: nothing is lost or said twice.
  const linked = 'a\n\n[r]: http://x.y\n\nb [l][r]\n\nc', into = document.createElement('div'), view = new MarkdownView(into);
  for (let at = 1; at < linked.length; ++at) view.set(linked.slice(0, at), false);
  assert.equal(into.textContent, 'ab lc'.slice(0, -1));
  view.set(linked, true);
  assert.equal(into.textContent, 'ab lc');
});

test('what is too deep to be made is shown as it is', {skip}, () => {
  assert.ok(made('>'.repeat(20_000) + 'x').textContent.includes('x'));
});
