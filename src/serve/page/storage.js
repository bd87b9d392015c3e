// What this browser keeps: conversations in its database, settings beside it. Where it allows none (a private window), they live as long
// as the page. Nothing is ever thrown away to make room: then the page says that it is full.
import {isConversation, takeOver} from './conversations.js';

export const mostConversations = 500;
const databaseName = 'minke', storeName = 'conversations';

let database = null;
const inPage = new Map();
export let isKept = true;

const finished = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export async function openStorage() {
  try {
    const opening = indexedDB.open(databaseName, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(storeName, {keyPath: 'id'});
    database = await finished(opening);
    database.onversionchange = () => database.close();
  } catch { isKept = false; }
}

const store = mode => database.transaction(storeName, mode).objectStore(storeName);

// Latest first: {id, title, updated}.
export async function listConversations() {
  const all = database ? await finished(store('readonly').getAll()) : [...inPage.values()];
  return all.filter(isConversation).map(({id, title, updated}) => ({id, title, updated})).sort((a, b) => b.updated - a.updated);
}

export async function loadConversation(id) {
  const found = database ? await finished(store('readonly').get(id)) : inPage.get(id);
  return isConversation(found) ? found : null;
}

// What another tab has kept of it stays. Rejects with a QuotaExceededError where there is no room.
export async function saveConversation(conversation) {
  if (!database) return void inPage.set(conversation.id, conversation);
  const all = store('readwrite'), known = await finished(all.get(conversation.id));
  if (known === undefined && await finished(all.count()) >= mostConversations) throw new DOMException('', 'QuotaExceededError');
  if (isConversation(known)) takeOver(conversation, known);
  await finished(all.put(conversation));
  others?.postMessage(conversation.id);
}

export async function deleteConversation(id) {
  if (!database) return void inPage.delete(id);
  await finished(store('readwrite').delete(id));
  others?.postMessage(id);
}

// Other tabs that show the same conversations: f(id) if one of them has changed one.
const others = typeof BroadcastChannel === 'undefined' || typeof window === 'undefined' ? null : new BroadcastChannel(databaseName);
export function onChangeElsewhere(f) { if (others) others.onmessage = event => f(event.data); }

export function remembered(name, otherwise) {
  try { return JSON.parse(localStorage.getItem('minke.' + name)) ?? otherwise; } catch { return otherwise; }
}

export function remember(name, value) {
  try { localStorage.setItem('minke.' + name, JSON.stringify(value)); } catch { /* as long as the page, then */ }
}
