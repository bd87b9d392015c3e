// A conversation is a tree of messages: an edited question and another answer are further children of the same message, and `chosen` says
// which child is looked at. Plain data, so that it can be kept as it is; nothing here knows of the page.

let last = 0;
const newId = () => `${Date.now().toString(36)}-${(++last).toString(36)}${Math.random().toString(36).slice(2, 8)}`;

export function newConversation(settings = {}) {
  const now = Date.now();
  return {id: newId(), title: '', created: now, updated: now, settings: {...settings},
    messages: {root: {id: 'root', parent: null, children: [], chosen: -1}}};
}

// A message {role, text, …} below another, which is looked at from now on.
export function addMessage(conversation, parent, message) {
  const under = conversation.messages[parent];
  const added = {...message, id: newId(), parent, children: [], chosen: -1};
  conversation.messages[added.id] = added;
  under.chosen = under.children.push(added.id) - 1;
  if (!conversation.title && message.role === 'user') conversation.title = titleOf(message.text);
  conversation.updated = Date.now();
  return added;
}

// A message without any below it.
export function removeMessage(conversation, id) {
  const parent = conversation.messages[conversation.messages[id].parent];
  parent.children = parent.children.filter(child => child !== id);
  parent.chosen = Math.min(parent.chosen, parent.children.length - 1);
  delete conversation.messages[id];
  (conversation.removed ??= []).push(id);  // so that no other copy brings it back
}

// Takes over from another copy of the same conversation (another tab's) the messages that are only there. What is looked at stays.
export function takeOver(conversation, other) {
  const {messages} = conversation;
  const added = new Set();
  for (const open = ['root']; open.length > 0;) {
    const id = open.pop();
    for (const child of other.messages[id].children) {
      if (conversation.removed?.includes(child)) continue;
      if (!messages[child]) {
        messages[child] = {...other.messages[child], children: [], chosen: -1};
        added.add(child);
        messages[id].children.push(child);
        if (added.has(id)) messages[id].chosen = 0;
      }
      open.push(child);
    }
  }
}

// The messages that are looked at, first to last.
export function pathOf(conversation) {
  const path = [];
  for (let at = conversation.messages.root; at.chosen >= 0;) {
    at = conversation.messages[at.children[at.chosen]];
    if (!at || path.includes(at)) break;
    path.push(at);
  }
  return path;
}

export const lastOf = conversation => pathOf(conversation).at(-1)?.id ?? 'root';

// Where a message stands among those in its place: {at: 1, of: 3}.
export function placeOf(conversation, id) {
  const siblings = conversation.messages[conversation.messages[id].parent].children;
  return {at: siblings.indexOf(id), of: siblings.length};
}

// The next message in its place, or the one before. Gives the message that is looked at now.
export function turnTo(conversation, id, by) {
  const parent = conversation.messages[conversation.messages[id].parent], {at, of} = placeOf(conversation, id);
  parent.chosen = Math.min(of - 1, Math.max(0, at + by));
  return conversation.messages[parent.children[parent.chosen]];
}

// What the model is asked for the answer below `id`. Thoughts of earlier answers are not sent, as the models' makers say.
export function messagesFor(conversation, id) {
  const messages = [];
  for (let at = conversation.messages[id]; at && at.id !== 'root'; at = conversation.messages[at.parent])
    if (at.role === 'user' || at.text) messages.unshift({role: at.role, content: at.text});
  const system = conversation.settings.system?.trim();
  if (system) messages.unshift({role: 'system', content: system});
  return messages;
}

export function titleOf(text) {
  const line = text.trim().split('\n')[0].replace(/\s+/g, ' ');
  const letters = [...line];
  return letters.length > 60 ? letters.slice(0, 57).join('') + '…' : line;
}

export function asMarkdown(conversation) {
  const parts = [`# ${conversation.title}`];
  if (conversation.settings.system) parts.push('## system', conversation.settings.system);
  for (const m of pathOf(conversation)) {
    parts.push('## ' + m.role);
    if (m.thought) parts.push(m.thought.trim().split('\n').map(line => '> ' + line).join('\n'));
    parts.push(m.text.trim());
  }
  return parts.join('\n\n') + '\n';
}

// Whether something that was kept is a conversation as it is here: other versions may have written it.
export function isConversation(c) {
  if (!c || typeof c.id !== 'string' || typeof c.title !== 'string' || typeof c.settings !== 'object' || !c.messages?.root) return false;
  return Object.entries(c.messages).every(([id, m]) => m.id === id && Array.isArray(m.children) && Number.isInteger(m.chosen) &&
    m.chosen < m.children.length && m.children.every(child => c.messages[child]?.parent === id) &&
    (id === 'root' || typeof m.text === 'string'));
}
