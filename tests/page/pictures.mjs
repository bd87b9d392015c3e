// The pictures of docs/serve.md: MINKE_PAGE_TOOLS=… node pictures.mjs ADDRESS FOLDER, of a server with a model of minke's tasks and --run.
import {answered, ask, desktop, openBrowser, openPage, phone} from './browser.mjs';

const [address, folder] = process.argv.slice(2);
const browser = await openBrowser();

async function shown(name, options, questions, last = async () => {}) {
  const {page, complaints} = await openPage(browser, address, options);
  for (const [i, question] of questions.entries()) {
    if (question === '') { await page.click('#new'); continue; }
    await ask(page, question);
    await answered(page, i + 1 - questions.lastIndexOf('', i) - 1);
  }
  await last(page);
  await page.mouse.move(700, 400);
  await new Promise(resolve => setTimeout(resolve, 600));
  await page.screenshot({path: `${folder}/${name}.png`});
  for (const complaint of complaints) console.error(name, complaint);
  await page.close();
}
const unfold = page => page.$eval('.thought summary', e => e.click());

await shown('page', {viewport: {...desktop, height: 720}}, ['Make 17 from 6 20 18.', '', 'What is 45 + 17 - 8?', '', 'Compute (12+7)*3-8.', 'Make 40 from 20 14 6.'],
  async page => { await unfold(page); await page.$eval('#scroll', e => { e.scrollTop = 0; }); });
await shown('page-phone', {viewport: phone, dark: true, language: 'zh-CN'}, ['Compute (12+7)*3-8.', 'Make 40 from 20 14 6.'], unfold);
await shown('page-training', {viewport: {...desktop, height: 900}, dark: true}, [], async page => {
  await page.click('#tab-training');
  await page.waitForSelector('.runs a');
  await page.$$eval('.runs a', all => (all.find(a => a.querySelector('b').textContent === 'r1') ?? all[0]).click());
  await page.waitForFunction(() => [...document.querySelectorAll('figure img')].length > 3 && [...document.querySelectorAll('figure img')].every(i => i.complete));
});
await browser.close();
