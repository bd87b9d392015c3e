// The conversation on the page: asking, stopping, asking again, editing, and going from branch to branch.
import {answer, runningIn, stop} from './answers.js';
import {addMessage, lastOf, newConversation, pathOf, placeOf, removeMessage, turnTo} from './conversations.js';
import {byId, element, icon, oncePerFrame, say} from './dom.js';
import {MessageView} from './message.js';
import {showSettings} from './settings.js';
import {loadConversation, remember, remembered, saveConversation} from './storage.js';
import {t} from './strings.js';

let conversation = newConversation();
let views = [];
let server = {usual: {}};
let onListChange = () => {};
let follows = true;  // the end of what is written

const scroll = byId('scroll'), messages = byId('messages'), question = byId('question');

export const current = () => conversation;

export function setServer(facts) {
  server = facts;
  showPanel();
  if (pathOf(conversation).length === 0) show();
}

export function keepFailed(error) {
  console.warn(error);
  byId('kept').textContent = t('full');
  byId('kept').classList.add('error');
  say(t('full'));
}

const save = () => saveConversation(conversation).then(() => onListChange(), keepFailed);

function showPanel() {
  showSettings(byId('settings-form'), conversation.settings, server.usual, () => {
    remember('settings', conversation.settings);
    if (pathOf(conversation).length > 0) save();
  });
}

// A conversation that was kept; without an id, or if it is gone, a new one.
export async function open(id) {
  const found = id && (runningWith(id) ?? await loadConversation(id));
  conversation = found || newConversation(remembered('settings', {}));
  follows = true;
  show();
  showPanel();
  return Boolean(found);
}
const runningWith = id => runningIn({id})?.conversation;

// One answer of a conversation at a time.
const ifIdle = f => (...given) => runningIn(conversation) ? undefined : f(...given);

const actions = {
  again: ifIdle(m => ask(m.parent)),
  retry: ifIdle(m => {
    const parent = m.parent;
    if (!m.text && !m.thought) removeMessage(conversation, m.id);
    ask(parent);
  }),
  edit: ifIdle((m, text) => ask(addMessage(conversation, m.parent, {role: 'user', text}).id)),
  turn: ifIdle((m, by) => {
    const now = turnTo(conversation, m.id, by);
    show(m.id);
    const place = messages.querySelector(`[data-id="${now.id}"]`);
    // The keyboard stays where it was.
    (place.querySelector(`[data-turn=${by < 0 ? 'back' : 'on'}]:not([disabled])`) ?? place.querySelector('[data-turn]:not([disabled])'))?.focus();
    save();
  }),
};

export function show() {
  const path = pathOf(conversation);
  views = path.map(m => new MessageView(m, placeOf(conversation, m.id), actions));
  messages.replaceChildren(...(views.length > 0 ? views.map(v => v.root) : [welcome()]));
  const run = runningIn(conversation);
  for (const v of views) v.update(run?.message === v.message);
  byId('title').textContent = conversation.title || t('new');
  document.title = (conversation.title ? conversation.title + ' · ' : '') + 'minke';
  showSend();
  if (follows) scroll.scrollTop = scroll.scrollHeight;
}

function welcome() {
  const examples = ['example1', 'example2', 'example3'].map(name =>
    element('button', {type: 'button', class: 'example', onclick: () => { question.value = t(name); send(); }}, t(name)));
  const whale = icon('whale');
  whale.classList.add('whale');
  return element('div', {class: 'welcome'}, whale, element('p', {class: 'greeting'}, t('welcome')),
    server.name ? element('p', {class: 'small'}, t('context', server.name, server.context)) : null, element('div', {class: 'examples'}, ...examples));
}

function showSend() {
  const runs = Boolean(runningIn(conversation));
  byId('send-icon').setAttribute('href', runs ? '#i-stop' : '#i-send');
  byId('send').setAttribute('aria-label', t(runs ? 'stop' : 'send'));
  byId('send').title = t(runs ? 'stop' : 'send');
}

let changedRun = null;
const showChange = oncePerFrame(() => {
  if (!changedRun || changedRun.conversation !== conversation) return;
  views.at(-1)?.update(runningIn(conversation) === changedRun);
  if (follows) scroll.scrollTop = scroll.scrollHeight;
});

async function ask(parent) {
  const asked = conversation;
  let isNew = true;
  follows = true;
  await answer(asked, parent, {
    keepFailed,
    changed: run => {
      if (isNew) {
        isNew = false;
        save();
        show();
        if (location.hash !== '#chat=' + asked.id) history.replaceState(null, '', '#chat=' + asked.id);
        question.focus();
      }
      changedRun = run;
      showChange();
    },
    ended: run => {
      onListChange();
      const m = run.message;
      if (asked !== conversation) return;
      views.at(-1)?.update(false);
      showSend();
      if (follows) scroll.scrollTop = scroll.scrollHeight;
      say(m.error ?? (m.stopped ? t('stopped') : t('done', m.text.slice(0, 2000))));
    },
  });
}

export function send() {
  if (runningIn(conversation)) return stop(conversation);
  const text = question.value.trim();
  if (!text) return undefined;
  question.value = '';
  fit();
  return ask(addMessage(conversation, lastOf(conversation), {role: 'user', text}).id);
}

// The field is as high as what is written in it.
function fit() {
  question.style.height = 'auto';
  question.style.height = Math.min(question.scrollHeight, 220) + 'px';
}

export function startChat({listChanged}) {
  onListChange = listChanged;
  byId('ask').addEventListener('submit', event => { event.preventDefault(); send(); });
  question.addEventListener('input', fit);
  question.addEventListener('keydown', event => {
    // Enter within an input method chooses a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    if (!runningIn(conversation)) send();
  });
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && !event.defaultPrevented && runningIn(conversation)) stop(conversation);
  });
  scroll.addEventListener('scroll', () => {
    follows = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
    byId('to-end').hidden = follows;
  }, {passive: true});
  byId('to-end').addEventListener('click', () => { follows = true; scroll.scrollTop = scroll.scrollHeight; question.focus(); });
  window.addEventListener('pagehide', () => { if (runningIn(conversation)) saveConversation(conversation).catch(() => {}); });
}
