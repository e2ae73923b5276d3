// The query box. It completes names; the server alone understands what is asked, and says where it stopped understanding.

import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from './api.js';
import { field } from './clauses.js';
import { html } from './html.js';
import { lessIsBetter } from './panels.js';
import * as runs from './runs.js';
import { at, go, turn } from './state.js';
import { Views } from './views.js';

const PAUSE_MS = 120, MOST = 9;

export function Query() {
  const ref = useRef(), timer = useRef(0), asked = useRef(null), chosen = useRef(false), [found, setFound] = useState(null), [on, setOn] = useState(0), problem = runs.problem.value;
  const offer = found && !(problem && problem.at >= 0 && problem.at < found.from) ? found : null; // nothing that is offered here mends a mistake further left
  const told = useRef(at.q.value); // what was typed here and taken; what comes from elsewhere (a brush, going back) replaces it
  useEffect(() => { if (at.q.value !== told.current) { clearTimeout(timer.current); ref.current.value = told.current = at.q.value; } }, [at.q.value]);
  const look = async el => { // the last question wins
    const mine = asked.current = {}, q = el.value;
    const got = await api.complete(at.e.value, q, el.selectionStart).catch(() => null);
    if (asked.current !== mine || document.activeElement !== el) return;
    const choices = got ? got.choices.filter(c => c.text !== q.slice(got.from, got.to)).slice(0, MOST) : [];
    setFound(choices.length ? { ...got, choices } : null);
    setOn(0);
  };
  const shut = () => { asked.current = null; setFound(null); }; // an answer on its way opens nothing again
  const type = e => {
    const { value } = e.target;
    chosen.current = true;
    look(e.target);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => turn({ q: told.current = value }), PAUSE_MS);
  };
  const take = choice => {
    const el = ref.current;
    el.setRangeText(choice.text + (/[( ]$/.test(choice.text) ? '' : ' '), offer.from, offer.to, 'end');
    el.focus();
    type({ target: el });
    chosen.current = false;
  };
  const key = e => { // Tab leads on, as everywhere, unless somebody typed or chose before it
    if (offer && (e.key === 'ArrowDown' || e.key === 'ArrowUp')) {
      e.preventDefault();
      chosen.current = true;
      setOn((on + (e.key === 'ArrowDown' ? 1 : offer.choices.length - 1)) % offer.choices.length);
    } else if (offer && chosen.current && e.key === 'Tab' && !e.shiftKey) {
      e.preventDefault();
      take(offer.choices[on]);
    } else if (e.key === 'Enter') {
      shut();
      clearTimeout(timer.current);
      go({ q: told.current = e.target.value.trim() });
    } else if (e.key === 'Escape') {
      e.stopPropagation();
      if (offer) shut();
      else e.target.blur();
    }
  };
  const clear = () => { ref.current.value = ''; clearTimeout(timer.current); shut(); go({ q: '' }); };
  const hint = runs.facts.value.headline[0], example = hint ? `${field('metrics.' + hint)} ${lessIsBetter(hint) ? '< 0.1' : '> 0.9'}` : "status = 'failed'";
  return html`<div class="query"><input id="q" ref=${ref} defaultValue=${at.q.value} onInput=${type} onKeyDown=${key} onFocus=${e => { chosen.current = false; look(e.target); }} onBlur=${() => setTimeout(shut, 150)}
      spellcheck="false" autocomplete="off" autocapitalize="off" role="combobox" aria-expanded=${!!offer} aria-controls="q-offer" aria-autocomplete="list" aria-activedescendant=${offer ? 'q-' + on : undefined} aria-invalid=${!!problem}
      aria-label="Filter runs" placeholder=${example} />
    ${at.q.value ? html`<button type="button" class="clear" aria-label="Clear the filter" onClick=${clear}>×</button>` : html`<kbd aria-hidden="true">/</kbd>`}
    <${Views} />
    ${offer ? html`<ul class="pop" id="q-offer" role="listbox">${offer.choices.map((choice, i) => html`<li key=${choice.text} id=${'q-' + i} role="option" aria-selected=${i === on} class=${i === on ? 'on' : ''} onMouseDown=${e => { e.preventDefault(); take(choice); }}>${choice.text}<em>${choice.kind}</em></li>`)}</ul>`
      : problem ? html`<div class="pop bad" role="alert">${caret(at.q.value, problem.at)}${problem.problem}</div>` : null}</div>`;
}

function caret(q, where) {
  if (!(where >= 0) || where > q.length) return null;
  return html`<code>${q.slice(Math.max(0, where - 24), where)}<mark>${q.slice(where, where + 16) || '␣'}</mark></code> `;
}
