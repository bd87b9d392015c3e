// As much of a document as the page's modules need outside a browser: elements hold text and elements, and say what they became.
class Node_ {
  constructor(name) { this.name = name; this.attributes = {}; this.childNodes = []; this.dataset = {}; this.style = {}; }
  append(...nodes) { for (const n of nodes) { const node = typeof n === 'string' ? new Text_(n) : n; node.parent = this; this.childNodes.push(node); } }
  appendChild(node) { this.append(node); return node; }
  replaceChildren(...nodes) { this.childNodes = []; this.append(...nodes); }
  remove() { if (this.parent) this.parent.childNodes = this.parent.childNodes.filter(n => n !== this); }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  set className(value) { this.attributes.class = value; }
  addEventListener() {}
  set textContent(text) { this.replaceChildren(text); }
  get textContent() { return this.childNodes.map(n => n.textContent).join(''); }
  all() { return this.childNodes.flatMap(n => n.all ? [n, ...n.all()] : []); }
  toString() {
    const attributes = Object.entries(this.attributes).map(([k, v]) => ` ${k}="${v}"`).join('');
    return `<${this.name}${attributes}>${this.childNodes.join('')}</${this.name}>`;
  }
}
class Text_ {
  constructor(text) { this.textContent = text; }
  remove() { this.parent.childNodes = this.parent.childNodes.filter(n => n !== this); }
  toString() { return this.textContent.replaceAll('&', '&amp;').replaceAll('<', '&lt;'); }
}
globalThis.document = {createElement: name => new Node_(name), createElementNS: (_, name) => new Node_(name), createTextNode: text => new Text_(text),
  createDocumentFragment: () => new Node_('fragment'), getElementById: () => new Node_('div'), compatMode: 'CSS1Compat'};
