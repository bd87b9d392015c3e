// Answers under way, each of a conversation, whether it is the one on the page or not.
import {streamChat} from './api.js';
import {addMessage, messagesFor} from './conversations.js';
import {samplingOf} from './settings.js';
import {saveConversation} from './storage.js';

const running = new Map();  // by the conversation's id

export const runningIn = conversation => running.get(conversation?.id);
export const anyRunning = () => running.size > 0;
export function stop(conversation) { running.get(conversation?.id)?.controller.abort(); }

// Of a conversation that is deleted: it is not to be kept again.
export function forget(id) {
  const run = running.get(id);
  if (!run) return;
  run.isForgotten = true;
  run.controller.abort();
}

// Asks for an answer below the message `parent`. changed(run) after every piece; ended(run) once.
export async function answer(conversation, parent, {changed, ended, keepFailed}) {
  const message = addMessage(conversation, parent, {role: 'assistant', text: '', thought: ''});
  const run = {conversation, message, controller: new AbortController()};
  running.set(conversation.id, run);
  changed(run);
  const begun = performance.now(), since = from => (performance.now() - from) / 1000;
  let thoughtBegun = 0, saved = performance.now();
  // While it thinks, time goes by though nothing comes.
  const clock = setInterval(() => {
    if (thoughtBegun && !message.text) message.thoughtSeconds = since(thoughtBegun), changed(run);
  }, 100);
  try {
    for await (const part of streamChat(messagesFor(conversation, parent), samplingOf(conversation.settings), run.controller.signal)) {
      if ((part.thought || part.text) && !message.first) message.first = since(begun);
      if (part.thought) {
        thoughtBegun ||= performance.now();
        message.thought += part.thought;
        message.thoughtSeconds = since(thoughtBegun);
      }
      if (part.text) {
        // Spaces between thought and answer are neither.
        if (message.text || part.text.trim()) message.text += message.text ? part.text : part.text.trimStart();
      }
      if (part.finish) message.finish = part.finish;
      if (part.usage) {
        message.usage = part.usage;
        message.timings = part.timings;
        message.thoughtTokens = part.usage.completion_tokens_details?.reasoning_tokens ?? 0;
      }
      changed(run);
      if (performance.now() - saved > 1000 && !run.isForgotten) {
        saved = performance.now();
        saveConversation(conversation).catch(keepFailed);
      }
    }
    if (!message.finish) message.finish = 'stop';
  } catch (e) {
    if (e.name === 'AbortError') message.stopped = true;
    else message.error = e.message;
  } finally {
    clearInterval(clock);
    message.seconds = since(begun);
    conversation.updated = Date.now();
    running.delete(conversation.id);
  }
  if (run.isForgotten) return;
  await saveConversation(conversation).catch(keepFailed);
  ended(run);
}
