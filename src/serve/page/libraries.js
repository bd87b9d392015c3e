// The libraries of Debian that stand beside these files. The large ones are loaded when there is something for them to do.

export const libraries = {marked: null, katex: null, hljs: null};

const loading = new Map();

// They are scripts of before modules: each leaves its name in the window.
export function need(file, name) {
  if (libraries[name]) return Promise.resolve(libraries[name]);
  if (!loading.has(name))
    loading.set(name, import(`/page/${file}`).then(() => { libraries[name] = globalThis[name]; return libraries[name]; }));
  return loading.get(name);
}

export const needMarkdown = () => need('marked.js', 'marked');
export const needMathematics = () => need('katex.js', 'katex');
export const needHighlighting = () => need('highlight.js', 'hljs');
