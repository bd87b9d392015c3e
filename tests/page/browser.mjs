// A headless Chromium for the tests of the page. puppeteer-core and axe-core are looked for in the folder MINKE_PAGE_TOOLS
// (npm install puppeteer-core axe-core), Chromium where Debian's package puts it.
import {existsSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';

const tools = process.env.MINKE_PAGE_TOOLS ?? '';
const chromium = process.env.MINKE_CHROMIUM ?? '/usr/bin/chromium';

export function missing() {
  if (!tools || !existsSync(join(tools, 'node_modules'))) return 'MINKE_PAGE_TOOLS names no folder with node_modules';
  return existsSync(chromium) ? '' : `no ${chromium}`;
}

const require = createRequire(join(tools || '/', 'here.js'));
export const axeSource = () => require('axe-core').source;

export async function openBrowser() {
  const puppeteer = require('puppeteer-core');
  return puppeteer.launch({executablePath: chromium, headless: true, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu']});
}

export const desktop = {width: 1280, height: 800}, phone = {width: 390, height: 780, isMobile: true, hasTouch: true, deviceScaleFactor: 2};

// A page, and all that it complains of.
export async function openPage(browser, address, {viewport = desktop, dark = false, language = 'en', context = null} = {}) {
  const page = await (context ?? await browser.createBrowserContext()).newPage();
  const complaints = [];
  page.on('console', m => { if (['error', 'warn'].includes(m.type())) complaints.push(m.text()); });
  page.on('pageerror', e => complaints.push(String(e)));
  page.on('requestfailed', r => { if (r.failure()?.errorText !== 'net::ERR_ABORTED') complaints.push(`${r.url()} ${r.failure()?.errorText}`); });
  page.on('request', r => { if (!r.url().startsWith(address) && !/^(data|blob):/.test(r.url())) complaints.push(`asked elsewhere: ${r.url()}`); });
  await page.evaluateOnNewDocument(tag => {
    Object.defineProperty(navigator, 'language', {get: () => tag});
    document.addEventListener('securitypolicyviolation', e => console.error(`policy: ${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  }, language);
  await page.setViewport(viewport);
  await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: dark ? 'dark' : 'light'}, {name: 'prefers-reduced-motion', value: 'reduce'}]);
  await page.goto(address);
  await page.waitForSelector('#shell:not([hidden])');
  return {page, complaints};
}

export async function ask(page, text) {
  await page.type('#question', text);
  await page.keyboard.press('Enter');
}

export async function answered(page, count) {
  await page.waitForFunction(n => document.querySelectorAll('.message.assistant').length >= n &&
    !document.querySelector('.message.running'), {timeout: 60_000}, count);
}
