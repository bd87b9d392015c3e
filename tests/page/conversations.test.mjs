// A conversation as a tree: branches by editing and by asking again, and what is sent to the model.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {addMessage, asMarkdown, isConversation, lastOf, messagesFor, newConversation, pathOf, placeOf, removeMessage, titleOf,
  takeOver, turnTo} from '../../src/serve/page/conversations.js';

const say = (c, parent, role, text, more = {}) => addMessage(c, parent, {role, text, ...more}).id;
const texts = c => pathOf(c).map(m => m.text);

test('a line of messages', () => {
  const c = newConversation({system: ' Be brief. '});
  assert.equal(lastOf(c), 'root');
  say(c, lastOf(c), 'user', 'hello\nthere');
  say(c, lastOf(c), 'assistant', 'hi', {thought: 'hm'});
  const last = say(c, lastOf(c), 'user', 'more');
  assert.equal(c.title, 'hello');
  assert.deepEqual(messagesFor(c, last), [{role: 'system', content: 'Be brief.'}, {role: 'user', content: 'hello\nthere'},
    {role: 'assistant', content: 'hi'}, {role: 'user', content: 'more'}]);
  assert.match(asMarkdown(c), /# hello\n\n## system\n\n Be brief. \n\n## user\n\nhello\nthere\n\n## assistant\n\n> hm\n\nhi/);
  assert.ok(isConversation(structuredClone(c)));
});

test('branches', () => {
  const c = newConversation();
  const q1 = say(c, 'root', 'user', 'q1'), a1 = say(c, q1, 'assistant', 'a1'), q2 = say(c, a1, 'user', 'q2');
  say(c, q2, 'assistant', 'a2');
  const b1 = say(c, q1, 'assistant', 'b1');  // asked again
  assert.deepEqual(texts(c), ['q1', 'b1']);
  assert.deepEqual(placeOf(c, b1), {at: 1, of: 2});
  assert.equal(turnTo(c, b1, -1).text, 'a1');
  assert.deepEqual(texts(c), ['q1', 'a1', 'q2', 'a2']);
  const edited = say(c, 'root', 'user', 'q1, edited');
  assert.deepEqual(texts(c), ['q1, edited']);
  assert.deepEqual(messagesFor(c, edited), [{role: 'user', content: 'q1, edited'}]);
  turnTo(c, edited, -1);
  assert.deepEqual(texts(c), ['q1', 'a1', 'q2', 'a2']);
  assert.equal(turnTo(c, a1, -5).id, a1);
  assert.ok(isConversation(c));
});

test('two tabs with the same conversation keep both their branches', () => {
  const one = newConversation(), q = say(one, 'root', 'user', 'q'), gone = say(one, q, 'assistant', 'gone'), two = structuredClone(one);
  removeMessage(one, gone);
  say(one, q, 'assistant', 'a of one');
  const a2 = say(two, q, 'assistant', 'a of two');
  say(two, a2, 'user', 'more of two');
  takeOver(one, two);
  assert.deepEqual(texts(one), ['q', 'a of one']);  // what is looked at stays
  assert.deepEqual(one.messages[q].children.map(id => one.messages[id].text), ['a of one', 'a of two']);
  turnTo(one, one.messages[q].children[0], 1);
  assert.deepEqual(texts(one), ['q', 'a of two', 'more of two']);
  assert.ok(isConversation(one));
  const before = structuredClone(one);
  takeOver(one, two);
  takeOver(one, structuredClone(one));
  assert.deepEqual(one, before);
});

test('an answer that failed goes, and what was looked at before is looked at', () => {
  const c = newConversation(), q = say(c, 'root', 'user', 'q'), a = say(c, q, 'assistant', 'a'), failed = say(c, q, 'assistant', '');
  assert.deepEqual(messagesFor(c, failed), [{role: 'user', content: 'q'}]);  // no empty answers
  removeMessage(c, failed);
  assert.deepEqual(pathOf(c).map(m => m.id), [q, a]);
  removeMessage(c, a);
  assert.equal(lastOf(c), q);
  assert.ok(isConversation(c));
});

test('titles', () => {
  assert.equal(titleOf('  a   b\nc'), 'a b');
  assert.equal([...titleOf('鲸'.repeat(100))].length, 58);
});

test('what is no conversation', () => {
  const c = newConversation();
  say(c, 'root', 'user', 'q');
  for (const spoil of [() => null, () => ({}), d => { delete d.messages.root; return d; }, d => { d.messages.root.chosen = 9; return d; },
    d => { d.messages.root.children.push('x'); return d; }, d => { d.title = 1; return d; }, d => { delete Object.values(d.messages)[1].text; return d; }])
    assert.ok(!isConversation(spoil(structuredClone(c))));
  // A ring: the path ends.
  const ring = structuredClone(c), id = ring.messages.root.children[0];
  ring.messages[id].children.push(id);
  ring.messages[id].chosen = 0;
  assert.equal(pathOf(ring).length, 1);
});
