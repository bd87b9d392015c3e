// One message on the page: the thought, folded once the answer begins; the text; what was computed for it; and what can be done with it.
import {copyButton} from './code.js';
import {element, iconButton, icon} from './dom.js';
import {MarkdownView} from './markdown.js';
import {language, t} from './strings.js';

export const number = (value, digits = 0) =>
  Number(value).toLocaleString(language(), {minimumFractionDigits: digits, maximumFractionDigits: digits});

// The line below an answer. timings are the server's; without them, those that were seen here.
export function statistics(m) {
  if (!m.usage) return '';
  const {prompt_tokens: prompt, completion_tokens: completion, prompt_tokens_details: details} = m.usage;
  const speed = m.timings?.predicted_per_second || (m.seconds > 0 ? completion / m.seconds : 0);
  const parts = [t('tokens', number(completion))];
  if (speed > 0) parts.push(t('speed', number(speed, speed < 10 ? 1 : 0)));
  const cached = details?.cached_tokens ?? 0;
  parts.push(cached > 0 ? t('promptCached', number(prompt), number(cached)) : t('prompt', number(prompt)));
  if (m.first > 0) parts.push(t('first', number(m.first, 2)));
  return parts.join(' · ');
}

export function noteOf(m, isRunning) {
  if (isRunning || m.error) return '';
  if (m.stopped) return t('stopped');
  if (!m.finish) return t('interrupted');
  if (m.finish === 'length') return t('length');
  return m.text ? '' : t('empty');
}

export class MessageView {
  // actions: again(m), edit(m, text), turn(m, by), retry(m). place: among its siblings, {at, of}.
  constructor(message, place, actions) {
    this.message = message;
    this.actions = actions;
    const mine = message.role === 'user';
    this.text = element('div', {class: mine ? 'text mine' : 'text'});
    this.note = element('p', {class: 'note'});
    this.foot = element('div', {class: 'foot'});
    this.root = element('article', {class: 'message ' + message.role, 'data-id': message.id},
      element('h2', {class: 'unseen'}, mine ? t('you') : t('model')));
    if (mine) {
      this.text.textContent = message.text;  // as it was typed
    } else {
      this.markdown = new MarkdownView(this.text);
      this.makeThought();
    }
    this.root.append(this.text, this.note, this.foot);
    this.makeFoot(place);
  }

  makeThought() {
    this.summary = element('summary');
    const inside = element('div', {class: 'text'});
    this.thoughtText = new MarkdownView(inside);
    this.thought = element('details', {class: 'thought', hidden: true}, this.summary, inside);
    // What a person opens or folds stays so.
    this.summary.addEventListener('click', () => { this.thoughtChosen = true; });
    this.thought.addEventListener('toggle', () => { if (this.thought.open) this.showThought(this.isRunning); });
    this.root.append(this.thought);
  }

  showThought(isRunning) {
    const m = this.message;
    if (!this.thought.open) return;  // a folded thought costs nothing
    const thinks = isRunning && !m.text;
    if (this.thoughtShown === m.thought && !thinks) return;
    this.thoughtText.set(m.thought, !thinks);
    if (!thinks) this.thoughtShown = m.thought;
  }

  makeFoot(place) {
    const m = this.message;
    this.statistics = element('span', {class: 'statistics'});
    this.buttons = element('div', {class: 'buttons'});
    if (place.of > 1) {
      this.buttons.append(element('div', {class: 'turn', role: 'group', 'aria-label': t('branch', place.at + 1, place.of)},
        iconButton('back', t('before'), () => this.actions.turn(m, -1), {'data-turn': 'back', disabled: place.at === 0}),
        element('span', {}, `${place.at + 1}/${place.of}`),
        iconButton('on', t('next'), () => this.actions.turn(m, 1), {'data-turn': 'on', disabled: place.at === place.of - 1})));
    }
    this.buttons.append(copyButton(() => m.text, t('copyAnswer')));
    this.buttons.append(m.role === 'user' ? this.action('edit', t('edit'), () => this.beginEdit())
      : this.action('again', t('again'), () => this.actions.again(m)));
    this.foot.append(this.buttons, this.statistics);
  }

  action(name, label, f) {
    return element('button', {type: 'button', class: 'action', 'data-action': name, onclick: f}, icon(name), element('span', {}, label));
  }

  // After each change of the message.
  update(isRunning) {
    const m = this.message;
    this.isRunning = isRunning;
    this.root.classList.toggle('running', isRunning);
    this.root.setAttribute('aria-busy', String(isRunning));
    if (this.markdown) this.updateAnswer(m, isRunning);
    this.foot.hidden = isRunning;
    this.statistics.textContent = isRunning ? '' : statistics(m);
    const note = noteOf(m, isRunning);
    this.note.hidden = !note && !m.error && !(isRunning && !m.text && !m.thought);
    this.note.className = m.error && !isRunning ? 'note error' : 'note';
    if (isRunning) this.note.replaceChildren(m.text || m.thought ? '' : t('waiting'));
    else if (m.role === 'user') this.note.hidden = true;
    else if (m.error)
      this.note.replaceChildren(m.error + ' ', element('button', {type: 'button', class: 'main small-button', onclick: () => this.actions.retry(m)}, t('retry')));
    else this.note.replaceChildren(note);
  }

  updateAnswer(m, isRunning) {
    this.thought.hidden = !m.thought;
    if (m.thought) {
      const thinks = isRunning && !m.text;
      if (!this.thoughtChosen && this.thought.open !== thinks) this.thought.open = thinks;
      const took = Math.max(m.thoughtSeconds ?? 0, 0.01), seconds = number(took, thinks || took >= 1 ? 1 : 2);
      this.summary.textContent = thinks ? t('thinking', seconds)
        : m.thoughtTokens ? t('thought', seconds, number(m.thoughtTokens)) : t('thoughtCut', seconds);
      this.showThought(isRunning);
    }
    if (this.shown === m.text && !(this.wasRunning && !isRunning)) return;
    this.markdown.set(m.text, !isRunning);
    this.shown = m.text;
    this.wasRunning = isRunning;
  }

  beginEdit() {
    const area = element('textarea', {class: 'editing', 'aria-label': t('editing'), rows: Math.min(12, this.message.text.split('\n').length + 1)});
    area.value = this.message.text;
    const end = () => { form.remove(); this.text.hidden = this.foot.hidden = false; this.foot.querySelector('[data-action=edit]').focus(); };
    const send = () => { if (area.value.trim()) this.actions.edit(this.message, area.value); };
    const form = element('form', {class: 'edit', onsubmit: event => { event.preventDefault(); send(); }}, area,
      element('div', {class: 'buttons'}, element('button', {type: 'submit', class: 'main'}, t('save')),
        element('button', {type: 'button', class: 'plain', onclick: end}, t('cancel'))));
    area.addEventListener('keydown', event => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
      if (event.key === 'Escape') { event.stopPropagation(); end(); }
    });
    this.text.hidden = this.foot.hidden = true;
    this.root.insertBefore(form, this.foot);
    area.focus();
  }
}
