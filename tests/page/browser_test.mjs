// What a person does on the page: asks, sees the thought fold and the answer come, reloads and finds it again, stops, answers again, edits,
// goes from branch to branch, changes the language; and what an attacker would want to happen, and does not. By browser_test.sh.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {answered, ask, axeSource, desktop, openBrowser, openPage, phone} from './browser.mjs';

const work = process.env.PAGE_WORK, run = join(work, 'whales'), pictures = process.env.MINKE_PAGE_PICTURES;
let browser, open;
const servers = [];

// page_server's address.
async function serve(...flags) {
  const server = spawn(process.env.PAGE_SERVER, flags, {stdio: ['pipe', 'pipe', 'inherit']});
  servers.push(server);
  const port = await new Promise(resolve => server.stdout.once('data', data => resolve(parseInt(data))));
  return `http://127.0.0.1:${port}`;
}

const line = step => JSON.stringify({step, loss: 3 - step / 100, tokens: 1000, seconds: 0.5, train_seconds: step * 0.5, reward: step / 50,
  'completions/mean_length': 20 + step, max_vio: {1: 0.2, 2: 0.1}}) + '\n' +
  JSON.stringify({step, load: {1: [3, 5, 4, 4], 2: [4, 4, 4, 4]}}) + '\n';

before(async () => {
  mkdirSync(run);
  writeFileSync(join(run, 'log.jsonl'), JSON.stringify({step: 0, run: {steps: 40, machine: 'test'}}) + '\n' + line(1) + line(2));
  const address = await serve('--run', run);
  browser = await openBrowser();
  open = options => openPage(browser, address, options);
});
after(async () => {
  await browser?.close();
  for (const server of servers) server.stdin.end();
});

const text = (page, selector) => page.$eval(selector, e => e.textContent.trim());
const last = (page, selector) => page.$$eval(selector, all => all.at(-1)?.textContent.trim());
async function noComplaints({page, complaints}) {
  assert.deepEqual(complaints.filter(c => !c.includes('Version 9 of Highlight.js')), []);
  await page.close();
}

test('asks, sees the thought fold and the answer come, reloads, finds it again', async () => {
  const opened = await open(), {page} = opened;
  // What is seen on the way: [is the thought open, its summary, has the answer begun].
  await page.evaluate(() => {
    window.seen = [];
    new MutationObserver(() => {
      const thought = document.querySelector('.thought:not([hidden])');
      if (thought && document.querySelector('.message.running'))
        window.seen.push([thought.open, thought.querySelector('summary').textContent, Boolean(document.querySelector('.assistant > .text h3'))]);
    }).observe(document.querySelector('#messages'), {subtree: true, childList: true, attributes: true, characterData: true});
  });
  await ask(page, 'a rich answer');
  await answered(page, 1);
  const seen = await page.evaluate(() => window.seen);
  assert.ok(seen.some(([open, summary, begun]) => open && /^Thinking… [\d.]+ s$/.test(summary) && !begun));
  assert.ok(seen.filter(([,, begun]) => begun).length > 3, 'the answer came at once');
  assert.ok(seen.filter(([,, begun]) => begun).every(([open]) => !open), 'the thought was not folded when the answer began');
  assert.match(await text(page, '.thought summary'), /^Thought for [\d.]+ s, \d+ tokens$/);
  assert.match(await text(page, '.assistant .statistics'), /^\d+ tokens · \d+ tokens\/s · prompt \d+, 5 of it cached · /);
  await page.waitForSelector('.text math munderover');
  await page.waitForSelector('.code .hljs-keyword');
  assert.equal(await page.$$eval('.text table td', cells => cells.length), 4);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'question');
  await page.waitForFunction(() => document.querySelector('#say').textContent.startsWith('Answer: '));
  const before = await text(page, '.assistant > .text');
  await page.reload();
  await page.waitForSelector('.text math munderover');
  await page.waitForSelector('.code .hljs-keyword');
  assert.equal(await text(page, '.assistant > .text'), before);
  assert.equal(await text(page, '#list a[aria-current]'), 'a rich answer');
  await page.click('#new');
  await page.waitForSelector('.welcome');
  await page.click('#list a');
  await page.waitForSelector('.text math munderover');
  await noComplaints(opened);
});

test('stops, answers again, edits, goes from branch to branch', async () => {
  const opened = await open(), {page} = opened;
  await ask(page, 'endless');
  await page.waitForFunction(() => document.querySelector('.message.assistant > .text').textContent.length > 20);
  await page.keyboard.press('Escape');
  await answered(page, 1);
  assert.equal(await last(page, '.note'), 'Stopped.');
  await ask(page, 'and now');
  await answered(page, 2);
  const first = await last(page, '.assistant > .text');
  await page.$$eval('[data-action=again]', all => all.at(-1).click());
  await page.waitForFunction(() => document.querySelector('.turn'));
  await answered(page, 2);
  assert.notEqual(await last(page, '.assistant > .text'), first);
  assert.equal(await last(page, '.turn span'), '2/2');
  await page.$$eval('[data-turn=back]', all => all.at(-1).click());
  assert.equal(await last(page, '.assistant > .text'), first);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.turn), 'on');
  // The first question otherwise: what followed it is kept in the other branch.
  await page.$eval('[data-action=edit]', e => e.click());
  await page.keyboard.type(' or not');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.mine').textContent === 'endless or not');
  await page.click('#send');  // the same button stops
  await answered(page, 1);
  assert.equal(await page.$$eval('.message', all => all.length), 2);
  await page.$eval('[data-turn=back]', e => e.click());
  assert.equal(await page.$$eval('.message', all => all.length), 4);
  await page.reload();
  await page.waitForSelector('.turn');
  assert.equal(await page.$$eval('.message', all => all.length), 4);
  await noComplaints(opened);
});

test('nothing that the model says is executed or loaded', async () => {
  const opened = await open(), {page} = opened;
  await ask(page, 'hostile');
  await answered(page, 1);
  await page.waitForSelector('.code .hljs-tag');
  assert.equal(await page.evaluate(() => window.attacked), undefined);
  assert.equal(await page.$$eval('#messages :is(script, img, style, iframe, object, form, [onerror], [onload])', all => all.length), 0);
  assert.deepEqual(await page.$$eval('#messages a', all => all.map(a => `${a.href} ${a.rel} ${a.target}`)),
    ['https://example.org/ noopener noreferrer nofollow _blank', 'http://127.0.0.1:9/track.png noopener noreferrer nofollow _blank']);
  assert.ok((await text(page, '#messages')).includes('<script>window.attacked = 1</script>'));
  // Even the page itself could not: the policy forbids it.
  const tried = await page.evaluate(() => { try { document.body.innerHTML += '<b>x</b>'; return 'done'; } catch (e) { return e.name; } });
  assert.equal(tried, 'TypeError');
  opened.complaints.length = 0;
  await noComplaints(opened);
});

test('settings, language, colours, mistakes', async () => {
  const opened = await open({dark: true}), {page} = opened;
  const background = () => page.$eval('body', e => getComputedStyle(e).backgroundColor);
  const dark = await background();
  await page.select('#theme', 'light');
  assert.notEqual(await background(), dark);
  await page.select('#language', 'zh');
  assert.equal(await text(page, '#new'), '新对话');
  assert.equal(await page.$eval('html', e => e.lang), 'zh-Hans');
  await page.reload();
  await page.waitForSelector('#shell:not([hidden])');
  assert.equal(await text(page, '#tab-training'), '训练');
  assert.notEqual(await background(), dark);
  await page.select('#language', 'en');
  await page.click('#open-settings');
  await page.type('#set-system', 'Be brief.');
  await page.type('#set-temperature', '0.3');
  await page.type('#set-max_tokens', '10');
  const [request] = await Promise.all([page.waitForRequest(r => r.url().endsWith('/v1/chat/completions')), ask(page, 'hello')]);
  const asked = JSON.parse(request.postData());
  assert.deepEqual(asked.messages, [{role: 'system', content: 'Be brief.'}, {role: 'user', content: 'hello'}]);
  assert.deepEqual([asked.temperature, asked.max_tokens, asked.stream, asked.top_p], [0.3, 10, true, undefined]);
  await answered(page, 1);
  assert.equal(await last(page, '.note'), 'Cut off: there was no room for more.');
  // A mistake is said, and can be tried again.
  await page.setRequestInterception(true);
  let refuse = true;
  page.on('request', r => refuse && r.url().endsWith('completions')
    ? r.respond({status: 429, contentType: 'application/json', body: '{"error": {"message": "Too many wait."}}'}) : r.continue());
  await ask(page, 'again');
  await answered(page, 2);
  assert.match(await last(page, '.note.error'), /^The server is busy. Too many wait. Try again$/);
  refuse = false;
  await page.click('.note.error button');
  await page.waitForFunction(() => !document.querySelector('.note.error:not([hidden])'));
  await answered(page, 2);
  assert.equal(await page.$$eval('.turn', all => all.length), 0);
  opened.complaints.splice(0, Infinity, ...opened.complaints.filter(c => !c.includes('429')));
  await noComplaints(opened);
});

test('a long answer: the page follows it, unless one reads above', async () => {
  const opened = await open(), {page} = opened;
  await ask(page, 'long');
  await page.waitForFunction(() => document.querySelectorAll('.assistant > .text > p').length > 30);
  const below = () => page.$eval('#scroll', e => e.scrollHeight - e.scrollTop - e.clientHeight);
  assert.ok(await below() < 80);
  const first = await page.$('.assistant > .text > p');
  await page.$eval('#scroll', e => { e.scrollTop = 0; });
  await answered(page, 1);
  assert.ok(await below() > 300);
  assert.ok(await first.evaluate(e => e.isConnected), 'a finished block was made anew');
  await page.click('#to-end');
  assert.ok(await below() < 80);
  await noComplaints(opened);
});

test('conversations are renamed, exported and deleted; another tab sees it', async () => {
  const opened = await open(), {page} = opened;
  await ask(page, 'first');
  await answered(page, 1);
  const other = await openPage(browser, page.url().split('#')[0], {context: page.browserContext()});
  await page.bringToFront();
  page.on('dialog', d => d.type() === 'prompt' ? d.accept('Another name') : d.accept());
  const choose = async n => { await page.click('.menu summary'); await page.click(`.choices button:nth-child(${n})`); };
  await choose(1);
  await page.waitForFunction(() => document.querySelector('#list a').textContent === 'Another name');
  await other.page.bringToFront();
  await other.page.waitForFunction(() => document.querySelector('#list a')?.textContent === 'Another name');
  await page.bringToFront();
  await choose(4);
  await page.waitForSelector('.welcome');
  assert.equal(await page.$$eval('#list a', all => all.length), 0);
  await other.page.bringToFront();
  await other.page.waitForFunction(() => !document.querySelector('#list a'));
  await noComplaints(other);
  await noComplaints(opened);
});

test('where there is no room, that is said, and nothing is lost', async () => {
  const opened = await open(), {page} = opened;
  await ask(page, 'first');
  await answered(page, 1);
  await page.evaluate(() => { IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); }; });
  await ask(page, 'second');
  await answered(page, 2);
  await page.waitForFunction(() => document.querySelector('#kept.error')?.textContent === 'There is no room to keep this conversation. Export or delete some.');
  assert.equal(await page.$$eval('.message', all => all.length), 4);
  await page.reload();
  await page.waitForSelector('.message');
  assert.equal(await text(page, '.mine'), 'first');
  opened.complaints.splice(0, Infinity, ...opened.complaints.filter(c => !/JSHandle|QuotaExceeded/.test(c)));
  await noComplaints(opened);
});

test('training is shown as it goes on', async () => {
  const opened = await open(), {page} = opened;
  await page.click('#tab-training');
  await page.waitForFunction(() => [...document.querySelectorAll('figure img')].length >= 4 && [...document.querySelectorAll('figure img')].every(i => i.complete && i.naturalWidth > 0));
  assert.match(await text(page, '.runs a'), /whales.*2 of 40going on/);
  const titles = await page.$$eval('figcaption b', all => all.map(e => e.textContent));
  for (const title of ['Loss', 'Reward', 'Length of the answers', 'Load of the fullest expert']) assert.ok(titles.includes(title), titles);
  writeFileSync(join(run, 'log.jsonl'), line(3), {flag: 'a'});
  await page.waitForFunction(() => document.querySelector('.runs a').textContent.includes('3 of 40'), {timeout: 20_000});
  await noComplaints(opened);
});

test('a key is asked for, and kept until the tab is closed', async () => {
  const address = await serve('--key', 'sesame'), opened = await openPage(browser, address), {page} = opened;
  await page.waitForSelector('#key-dialog[open]');
  await page.type('#key', 'wrong');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#key-wrong').textContent === 'That is not the key.');
  await page.type('#key', 'sesame');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#model').textContent === 'scripted');
  await ask(page, 'hello');
  await answered(page, 1);
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#model').textContent === 'scripted');
  assert.equal(await page.$('#key-dialog[open]'), null);
  opened.complaints.splice(0, Infinity, ...opened.complaints.filter(c => !c.includes('401')));
  await noComplaints(opened);
});

test('by keyboard alone', async () => {
  const opened = await open(), {page} = opened;
  await page.focus('.skip');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'question');
  assert.equal(await page.evaluate(() => location.hash), '');
  await page.keyboard.type('one');
  await page.keyboard.down('Shift'); await page.keyboard.press('Enter'); await page.keyboard.up('Shift');
  await page.keyboard.type('two');
  await page.keyboard.press('Enter');
  await answered(page, 1);
  assert.equal(await text(page, '.mine'), 'one\ntwo');
  // Everything that can be reached shows that it is.
  for (let i = 0; i < 12; ++i) {
    await page.keyboard.press('Tab');
    const seen = await page.evaluate(() => { const e = document.activeElement, s = getComputedStyle(e); return e === document.body || e.id === 'question' || s.outlineStyle !== 'none'; });
    assert.ok(seen, await page.evaluate(() => document.activeElement.outerHTML.slice(0, 200)));
  }
  await noComplaints(opened);
});

for (const [name, viewport] of [['desktop', desktop], ['phone', phone]])
  for (const dark of [false, true])
    test(`accessible and within its width: ${name}, ${dark ? 'dark' : 'light'}`, async () => {
      const opened = await open({viewport, dark}), {page} = opened;
      const check = async what => {
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} is wider than the screen`);
        const {violations} = await axe(page);
        const serious = violations.filter(v => ['serious', 'critical'].includes(v.impact));
        assert.deepEqual(serious.map(v => `${v.id}: ${v.nodes.map(n => n.html + ' ' + n.failureSummary).join(' | ')}`), [], what);
        if (violations.length > serious.length) console.log(what, violations.map(v => `${v.impact} ${v.id} ${v.nodes[0].html.slice(0, 120)}`));
        if (pictures) await page.screenshot({path: join(pictures, `test-${name}-${dark ? 'dark' : 'light'}-${what}.png`)});
      };
      await check('empty');
      await ask(page, 'a rich answer');
      await answered(page, 1);
      await page.waitForSelector('.code .hljs-keyword');
      await page.$eval('.thought summary', e => e.click());
      await check('answer');
      if (name === 'phone') {
        await page.click('#open-drawer');
        assert.equal(await page.evaluate(() => document.activeElement.id), 'close-drawer');
        await check('drawer');
        await page.keyboard.press('Escape');
        assert.equal(await page.evaluate(() => document.activeElement.id), 'open-drawer');
      }
      await page.click('#open-settings');
      await check('settings');
      await page.click('#close-settings');
      await page.click('#tab-training');
      await page.waitForSelector('figure img');
      await check('training');
      await noComplaints(opened);
    });

// axe-core runs in the page, past its policy.
async function axe(page) {
  const client = await page.createCDPSession();
  await client.send('Runtime.evaluate', {expression: axeSource(), allowUnsafeEvalBlockedByCSP: true});
  const {result, exceptionDetails} = await client.send('Runtime.evaluate', {expression: 'axe.run().then(r => JSON.stringify({violations: r.violations}))', awaitPromise: true, returnByValue: true});
  assert.equal(exceptionDetails, undefined);
  return JSON.parse(result.value);
}
