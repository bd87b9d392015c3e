// The list of conversations, and what can be done with one: rename, export, delete.
import {forget} from './answers.js';
import {current, keepFailed, open} from './chat.js';
import {asMarkdown} from './conversations.js';
import {byId, element, icon} from './dom.js';
import {deleteConversation, isKept, listConversations, loadConversation, saveConversation} from './storage.js';
import {t} from './strings.js';

function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], {type}));
  element('a', {href: address, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const fileName = (c, end) => (c.title.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 40) || 'conversation') + end;

// Of a conversation that may be the one on the page.
const whole = async id => current().id === id ? current() : await loadConversation(id);

async function rename(id) {
  const c = await whole(id), title = prompt(t('renameAsk'), c.title)?.trim();
  if (!title) return;
  c.title = title.slice(0, 120);
  await saveConversation(c).catch(keepFailed);
  showList();
}

async function remove(id, title) {
  if (!confirm(t('removeAsk', title))) return;
  forget(id);
  await deleteConversation(id);
  byId('kept').classList.remove('error');  // there may be room now
  if (current().id === id) {
    history.replaceState(null, '', '#chat');
    await open('');
  }
  await showList();
  byId('new').focus();
}

function menu(c) {
  const act = (name, f) => element('button', {type: 'button', onclick: () => { details.open = false; f(); }}, t(name));
  const details = element('details', {class: 'menu'},
    element('summary', {'aria-label': t('more', c.title || t('untitled'))}, icon('more')),
    element('div', {class: 'choices'},
      act('rename', () => rename(c.id)),
      act('exportText', async () => { const all = await whole(c.id); download(fileName(all, '.md'), 'text/markdown', asMarkdown(all)); }),
      act('exportData', async () => { const all = await whole(c.id); download(fileName(all, '.json'), 'application/json', JSON.stringify(all, null, 1)); }),
      act('remove', () => remove(c.id, c.title || t('untitled')))));
  details.addEventListener('keydown', event => {
    if (event.key !== 'Escape' || !details.open) return;
    event.preventDefault();
    details.open = false;
    details.querySelector('summary').focus();
  });
  details.addEventListener('focusout', event => { if (!details.contains(event.relatedTarget)) details.open = false; });
  return details;
}

export async function showList() {
  const all = await listConversations();
  byId('list').replaceChildren(...all.map(c => element('li', {},
    element('a', {href: '#chat=' + c.id, 'aria-current': c.id === current().id ? 'page' : undefined, title: c.title}, c.title || t('untitled')), menu(c))));
  if (byId('kept').classList.contains('error')) return;
  byId('kept').textContent = !isKept ? t('notKept') : all.length === 0 ? t('none') : t('kept');
}
