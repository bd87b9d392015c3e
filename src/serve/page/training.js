// The second tab: runs of training as they go on, asked for again every few seconds while somebody looks.
import {get} from './api.js';
import {byId, element} from './dom.js';
import {number} from './message.js';
import {hasText, language, t} from './strings.js';

const every = 3000, everyWhenDone = 15_000;
let timer = 0, shown = -1, isOpen = false;
const pictures = new Map();  // what each chart last was: one that is the same is not drawn again

const percent = new Set(['right', 'pairs']);
const figureText = ({id, value}) => percent.has(id) ? number(100 * value, 1) + ' %' : value >= 100 ? number(value) : number(value, value < 10 ? 3 : 1);

function time(seconds) {
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  return hours > 0 ? `${hours} h ${minutes % 60} min` : minutes > 0 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${number(seconds)} s`;
}

const tile = (text, label) => element('div', {class: 'tile'}, element('b', {}, text), element('span', {}, label));
const badge = state => element('span', {class: 'badge ' + state}, t('state_' + state));
const steps = run => run.step === undefined ? '' : run.steps > 0 ? t('of', number(run.step), number(run.steps)) : number(run.step);

// An image cannot run anything, whatever is in it.
function chart({id, title, unit, legend, svg}, i, run) {
  const name = hasText('chart_' + id) ? t('chart_' + id) : title, key = `${run.index} ${i}`;
  const known = pictures.get(key);
  if (known?.svg === svg && known.name === name) return known.figure;
  const labels = legend.map(l => element('span', {class: 'c' + l.colour}, `${l.label} ${l.value}`));
  // What the picture shows is said by its legend.
  const figure = element('figure', {},
    element('figcaption', {}, element('b', {}, name), element('span', {class: 'small'}, unit), element('div', {class: 'legend'}, ...labels)),
    element('img', {src: 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(svg), alt: `${name}: ${labels.map(l => l.textContent).join(', ')}`}));
  pictures.set(key, {svg, name, figure});
  return figure;
}

function showRuns(runs) {
  const place = byId('runs');
  if (runs.length === 0) {
    byId('run').replaceChildren();
    place.replaceChildren(element('p', {}, t('noRuns')), element('pre', {}, 'minke serve -m r1/latest --run r1'));
    return;
  }
  const had = place.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  place.replaceChildren(element('h2', {class: 'unseen'}, t('runs')), element('ul', {class: 'runs'}, ...runs.map(r => element('li', {},
    element('a', {href: '#training=' + r.index, 'aria-current': r.index === shown ? 'page' : undefined},
      element('b', {}, r.name), r.kind ? element('span', {class: 'small'}, r.kind.replace('_', ' ')) : null,
      element('span', {class: 'small'}, steps(r)), badge(r.state))))));
  if (had) place.querySelector(`[href="${had}"]`)?.focus();
}

function showRun(run) {
  const tiles = run.step === undefined ? [] : [tile(steps(run), t('step')), ...run.figures.map(f => tile(figureText(f), t('figure_' + f.id))),
    tile(time(run.seconds), t('time')), tile(number(run.tokens), t('seen'))];
  byId('run').replaceChildren(
    element('div', {class: 'run-head'}, element('h2', {}, (run.pipeline ? run.pipeline + ' / ' : '') + run.name), badge(run.state)),
    run.result ? element('p', {}, run.result) : null ?? '',
    run.step === undefined && !run.result ? element('p', {}, t('waitingRun')) : '',
    element('div', {class: 'tiles'}, ...tiles),
    element('div', {class: 'charts'}, ...run.charts.map((c, i) => chart(c, i, run))),
    element('p', {class: 'small'}, t('updated', new Date().toLocaleTimeString(language()))));
}

async function refresh() {
  clearTimeout(timer);
  if (!isOpen) return;
  let next = every;
  if (!document.hidden) {
    try {
      const {runs} = await get('/training');
      if (!runs.some(r => r.index === shown)) shown = (runs.find(r => r.state === 'running') ?? runs.findLast(r => r.step !== undefined) ?? runs[0])?.index ?? -1;
      showRuns(runs);
      if (shown >= 0) showRun(await get('/training/' + shown));
      if (!runs.some(r => r.state === 'running' || r.state === 'waiting')) next = everyWhenDone;
    } catch (e) {
      byId('run').replaceChildren(element('p', {class: 'error', role: 'alert'}, e.message));
    }
  }
  if (isOpen) timer = setTimeout(refresh, next);
}

// -1: the one that goes on, or else the latest.
export function openTraining(index) {
  if (index !== shown && index >= 0) pictures.clear();
  if (index >= 0) shown = index;
  isOpen = true;
  refresh();
}

export function closeTraining() {
  isOpen = false;
  clearTimeout(timer);
}

document.addEventListener('visibilitychange', () => { if (isOpen && !document.hidden) refresh(); });
