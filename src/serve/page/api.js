// The server's API: what is asked, with the key if it wants one, and mistakes as readable text.
import {EventParser} from './sse.js';
import {t} from './strings.js';

const keyName = 'minke.key';
let key = '';
try { key = sessionStorage.getItem(keyName) || ''; } catch { /* kept in this page alone */ }
let askForKey = async () => '';

// f(wrong) asks a person for the key; wrong: one was given, and it is not the one.
export function onKeyWanted(f) { askForKey = f; }

export class ApiMistake extends Error {
  constructor(message, status, canRetry) {
    super(message);
    this.status = status;
    this.canRetry = canRetry;
  }
}

let asking = null;  // one dialog for all requests that wait for a key
async function newKey(wrong) {
  asking ??= askForKey(wrong).finally(() => { asking = null; });
  key = await asking;
  try { sessionStorage.setItem(keyName, key); } catch { /* as above */ }
}

async function request(path, options = {}) {
  for (;;) {
    const used = key;
    let response;
    try {
      response = await fetch(path, {...options, headers: {...options.headers, ...(used ? {Authorization: 'Bearer ' + used} : {})}});
    } catch (e) {
      if (e.name === 'AbortError') throw e;
      throw new ApiMistake(t('noServer'), 0, true);
    }
    if (response.status !== 401) return response;
    if (key === used) await newKey(used !== '');
  }
}

async function mistake(response) {
  let text = '';
  try { text = (await response.json()).error.message; } catch { /* not by this server */ }
  const busy = response.status === 429 || response.status === 503;
  return new ApiMistake((busy ? t('busy') + ' ' : '') + (text || t('failed', response.status)), response.status, true);
}

export async function get(path) {
  const response = await request(path);
  if (!response.ok) throw await mistake(response);
  return response.json();
}

// Whether the server is there, and whether its model is.
export async function health() {
  try { return (await fetch('/health')).ok ? 'ok' : 'loading'; } catch { return 'gone'; }
}

// What of an answer to a question comes: {thought}, {text}, {finish}, {usage, timings}. Ends early by signal.
export async function* streamChat(messages, settings, signal) {
  const body = {messages, stream: true, stream_options: {include_usage: true}, ...settings};
  const response = await request('/v1/chat/completions',
    {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body), signal});
  if (!response.ok) throw await mistake(response);
  const parser = new EventParser(), decoder = new TextDecoder(), reader = response.body.getReader();
  try {
    for (;;) {
      const {done, value} = await read(reader);
      if (done) throw new ApiMistake(t('cutOff'), 0, true);
      for (const data of parser.push(decoder.decode(value, {stream: true}))) {
        if (data === '[DONE]') return;
        yield* partsOf(JSON.parse(data));
      }
    }
  } finally {
    reader.cancel().catch(() => {});  // the server forgets what nobody reads
  }
}

async function read(reader) {
  try { return await reader.read(); } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new ApiMistake(t('cutOff'), 0, true);
  }
}

// Of one event.
export function* partsOf(event) {
  if (event.error) throw new ApiMistake(event.error.message, 0, true);
  for (const choice of event.choices ?? []) {
    const delta = choice.delta ?? {};
    if (delta.reasoning_content) yield {thought: delta.reasoning_content};
    if (delta.content) yield {text: delta.content};
    if (choice.finish_reason) yield {finish: choice.finish_reason};
  }
  if (event.usage) yield {usage: event.usage, timings: event.timings ?? {}};
}
