// The panel of a conversation's settings: the system prompt, and how the model is sampled. Empty: as the server has it.
import {element} from './dom.js';
import {t} from './strings.js';

const fields = [
  {name: 'temperature', min: 0, max: 2, step: 0.05}, {name: 'top_p', min: 0, max: 1, step: 0.01}, {name: 'top_k', min: 0, max: 100000, step: 1},
  {name: 'min_p', min: 0, max: 1, step: 0.01}, {name: 'repetition_penalty', min: 0.5, max: 2, step: 0.05},
  {name: 'max_tokens', min: 1, step: 1, usual: () => t('usualNone')}, {name: 'reasoning_budget', min: 0, step: 1, usual: () => t('usualNone')},
  {name: 'seed', min: 0, step: 1, usual: () => t('usualSeed')},
];

// What of the settings is sent with a question.
export function samplingOf(settings) {
  const sent = {};
  for (const {name} of fields) if (typeof settings[name] === 'number') sent[name] = settings[name];
  if (settings.thinking === 'yes' || settings.thinking === 'no') sent.thinking = {type: settings.thinking === 'yes' ? 'enabled' : 'disabled'};
  return sent;
}

// changed() after each change of `settings`; usual: the server's.
export function showSettings(form, settings, usual, changed) {
  const label = (id, text, input, ...more) => element('div', {class: 'field'}, element('label', {for: id}, text), input, ...more);
  const system = element('textarea', {id: 'set-system', rows: 4, 'aria-describedby': 'system-help', oninput: () => { settings.system = system.value; changed(); }});
  system.value = settings.system ?? '';
  const thinking = element('select', {id: 'set-thinking', onchange: () => { settings.thinking = thinking.value; changed(); }},
    ...[['', 'byModel'], ['yes', 'yes'], ['no', 'no']].map(([value, name]) => element('option', {value}, t(name))));
  thinking.value = settings.thinking ?? '';
  const numbers = fields.map(({name, min, max, step, usual: usualText}) => {
    const given = usual[name];
    const input = element('input', {id: 'set-' + name, type: 'number', inputmode: 'decimal', min, max, step,
      placeholder: usualText ? usualText() : given === undefined ? '' : t('usual', Math.round(given * 1000) / 1000),
      oninput: () => {
        const value = input.value === '' ? undefined : Number(input.value);
        input.setAttribute('aria-invalid', String(!input.checkValidity()));
        if (value === undefined || !input.checkValidity()) delete settings[name];
        else settings[name] = value;
        changed();
      }});
    if (typeof settings[name] === 'number') input.value = settings[name];
    return label('set-' + name, t(name), input);
  });
  const reset = element('button', {type: 'button', class: 'plain', onclick: () => {
    for (const key of Object.keys(settings)) delete settings[key];
    changed();
    showSettings(form, settings, usual, changed);
    form.querySelector('button').focus();
  }}, t('reset'));
  form.replaceChildren(
    label('set-system', t('system'), system, element('p', {id: 'system-help', class: 'small'}, t('systemHelp'))),
    label('set-thinking', t('think'), thinking), element('div', {class: 'numbers'}, ...numbers),
    element('p', {class: 'small'}, t('settingsHelp')), reset);
  form.onsubmit = event => event.preventDefault();
}
