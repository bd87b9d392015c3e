// Server-sent events however they are cut, what of them counts, and the two languages.
import './dom_stub.mjs';
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {ApiMistake, partsOf} from '../../src/serve/page/api.js';
import {samplingOf} from '../../src/serve/page/settings.js';
import {EventParser} from '../../src/serve/page/sse.js';
import {allTexts, languageOf, setLanguage, t} from '../../src/serve/page/strings.js';

test('events, cut anywhere', () => {
  const stream = ': ping\n\ndata: {"a": 1}\n\nevent: x\r\ndata: two\r\ndata:lines\r\n\r\nid: 3\n\ndata: 鲸\n\ndata: [DONE]\n\n';
  for (const size of [1, 2, 5, 1000]) {
    const parser = new EventParser(), got = [];
    for (let at = 0; at < stream.length; at += size) got.push(...parser.push(stream.slice(at, at + size)));
    assert.deepEqual(got, ['{"a": 1}', 'two\nlines', '鲸', '[DONE]'], String(size));
  }
  assert.deepEqual(new EventParser().push('data: not over\n'), []);
});

test('the parts of an event', () => {
  const parts = e => [...partsOf(e)];
  assert.deepEqual(parts({choices: [{delta: {role: 'assistant', content: ''}, finish_reason: null}]}), []);
  assert.deepEqual(parts({choices: [{delta: {reasoning_content: 'hm'}}]}), [{thought: 'hm'}]);
  assert.deepEqual(parts({choices: [{delta: {content: 'x'}, finish_reason: 'length'}]}), [{text: 'x'}, {finish: 'length'}]);
  assert.deepEqual(parts({choices: [], usage: {prompt_tokens: 1}}), [{usage: {prompt_tokens: 1}, timings: {}}]);
  assert.throws(() => parts({error: {message: 'no'}}), ApiMistake);
});

test('what is sent of the settings', () => {
  assert.deepEqual(samplingOf({system: 'x', temperature: 0, top_p: '', seed: 3, unknown: 1, thinking: 'no'}), {temperature: 0, seed: 3, thinking: {type: 'disabled'}});
  assert.deepEqual(samplingOf({}), {});
});

test('both languages say the same things', () => {
  const {en, zh} = allTexts();
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const [name, text] of Object.entries(en)) {
    const holes = s => [...s.matchAll(/\{\d\}/g)].map(m => m[0]).sort();
    assert.deepEqual(holes(zh[name]), holes(text), name);
  }
  assert.equal(languageOf('zh-TW'), 'zh');
  assert.equal(languageOf('de'), 'en');
  setLanguage('zh');
  assert.equal(t('branch', 1, 2), '第 1 个，共 2 个');
  setLanguage('nonsense');
  assert.equal(t('stop'), 'Stop');
});
