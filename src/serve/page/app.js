// The page around the views: its address, tabs, drawer, panels, language, colours, and the server's key.
import {get, health, onKeyWanted} from './api.js';
import {runningIn} from './answers.js';
import * as chat from './chat.js';
import {byId} from './dom.js';
import {needMarkdown} from './libraries.js';
import {showList} from './list.js';
import {onChangeElsewhere, openStorage, remember, remembered} from './storage.js';
import {language, languageOf, setLanguage, t, translate} from './strings.js';
import {closeTraining, openTraining} from './training.js';

const isPhone = matchMedia('(max-width: 760px)');

// --- the drawer of a phone, the panel of settings
function setDrawer(open) {
  document.body.classList.toggle('drawer-open', open);
  byId('shade').hidden = !open;
  byId('open-drawer').setAttribute('aria-expanded', String(open));
  byId('middle').inert = open;
  byId('drawer').inert = isPhone.matches && !open;
  if (open) byId('close-drawer').focus();
}
function closeDrawer() {
  if (!document.body.classList.contains('drawer-open')) return;
  setDrawer(false);
  byId('open-drawer').focus();
}

function setSettings(open) {
  byId('settings').hidden = !open;
  byId('open-settings').setAttribute('aria-expanded', String(open));
  (open ? byId('set-system') : byId('open-settings')).focus();
}

// --- where the address points: #chat, #chat=ID, #training, #training=N
async function go() {
  const [, view, which = ''] = /^#(chat|training)(?:=(.*))?$/.exec(location.hash) ?? ['', 'chat'];
  const trains = view === 'training';
  byId('chat').hidden = trains;
  byId('training').hidden = !trains;
  byId('open-settings').hidden = trains;
  for (const name of ['chat', 'training']) {
    if (name === view) byId('tab-' + name).setAttribute('aria-current', 'page');
    else byId('tab-' + name).removeAttribute('aria-current');
  }
  if (trains) {
    setSettingsQuietly(false);
    openTraining(/^\d+$/.test(which) ? Number(which) : -1);
    document.title = t('training') + ' · minke';
  } else {
    closeTraining();
    if (which !== chat.current().id || which === '') {
      const found = await chat.open(which);
      if (which && !found) history.replaceState(null, '', '#chat');
    } else chat.show();
    byId('tab-chat').href = which ? '#chat=' + which : '#chat';
    await showList();
  }
}
function setSettingsQuietly(open) {
  byId('settings').hidden = !open;
  byId('open-settings').setAttribute('aria-expanded', String(open));
}

// --- the server
let serverState = '';
async function watchServer() {
  const state = await health();
  if (state !== serverState) {
    serverState = state;
    byId('model').textContent = state === 'ok' ? '' : t(state);
    if (state === 'ok') await meetServer();
  }
  setTimeout(watchServer, state === 'ok' ? 15_000 : 1500);
}
async function meetServer() {
  try {
    const props = await get('/props');
    byId('model').textContent = props.model;
    chat.setServer({name: props.model, context: props.n_ctx.toLocaleString(language()), usual: props.default_generation_settings ?? {}});
  } catch (e) { byId('model').textContent = e.message; }
}

function askForKey(wrong) {
  const dialog = byId('key-dialog');
  byId('key-wrong').textContent = wrong ? t('keyWrong') : '';
  byId('key').value = '';
  dialog.showModal();
  return new Promise(resolve => {
    byId('key-form').onsubmit = event => {
      event.preventDefault();
      dialog.close();
      resolve(byId('key').value.trim());
    };
    dialog.oncancel = event => event.preventDefault();  // nothing goes on without it
  });
}

function speak(name) {
  setLanguage(name);
  translate();
  byId('language').value = name;
}

async function start() {
  speak(remembered('language', languageOf(navigator.language)));
  let theme = 'auto';
  try { theme = localStorage.getItem('minke.theme') ?? 'auto'; } catch { /* nothing is kept */ }
  byId('theme').value = theme;
  byId('theme').addEventListener('change', () => {
    const chosen = byId('theme').value;
    if (chosen === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    try { localStorage.setItem('minke.theme', chosen); } catch { /* as above */ }
  });
  byId('language').addEventListener('change', async () => {
    speak(byId('language').value);
    remember('language', language());
    await go();
    await meetServer();
  });
  onKeyWanted(askForKey);
  // Its address is not one of a view.
  document.querySelector('.skip').addEventListener('click', event => { event.preventDefault(); byId('question').focus(); });
  byId('open-drawer').addEventListener('click', () => setDrawer(true));
  byId('close-drawer').addEventListener('click', closeDrawer);
  byId('shade').addEventListener('click', closeDrawer);
  isPhone.addEventListener('change', () => setDrawer(false));
  byId('drawer').inert = isPhone.matches;
  byId('open-settings').addEventListener('click', () => setSettings(byId('settings').hidden));
  byId('close-settings').addEventListener('click', () => setSettings(false));
  document.addEventListener('keydown', event => {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    if (document.body.classList.contains('drawer-open')) closeDrawer();
    else if (!byId('settings').hidden && !runningIn(chat.current())) setSettings(false);
    else return;
    event.preventDefault();
  }, true);
  byId('new').addEventListener('click', () => {
    if (location.hash === '#chat') chat.open('').then(showList);
    else location.hash = '#chat';
    closeDrawer();
    byId('question').focus();
  });
  byId('list').addEventListener('click', event => { if (event.target.closest('a')) closeDrawer(); });
  await Promise.all([needMarkdown(), openStorage()]);
  chat.startChat({listChanged: showList});
  onChangeElsewhere(id => {
    if (id === chat.current().id && !runningIn(chat.current()) && !document.querySelector('#messages .edit')) chat.open(id);
    showList();
  });
  window.addEventListener('hashchange', go);
  byId('shell').hidden = false;
  await go();
  watchServer();
  if (!isPhone.matches && !location.hash.startsWith('#training')) byId('question').focus();
}

start();
