// Tables of what is known of a run: metrics, parameters as a tree, environment.

import { useState } from 'preact/hooks';
import { delta, num, typed } from './format.js';
import { html } from './html.js';
import { lessIsBetter } from './panels.js';

const MANY = 14;

export function Pairs({ pairs }) {
  return html`<table class="kv"><tbody>${pairs.map(([key, value]) => html`<tr key=${key}><th>${key}</th><td>${typed(value)}</td></tr>`)}</tbody></table>`;
}

// last, least and greatest of each; against the baseline if there is one.
export function Metrics({ run, base }) {
  const [all, setAll] = useState(false), keys = Object.keys(run.metrics).filter(key => !key.startsWith('system/')), some = all ? keys : keys.slice(0, 40);
  const concluded = (run.tags['autotrack.inferred'] || '').split(', ');
  if (!keys.length) return html`<p class="quiet">none</p>`;
  return html`<table class="kv metrics"><thead><tr><td></td><th>last</th>${base ? html`<th>vs ${base.name}</th>` : null}<th>min</th><th>max</th></tr></thead><tbody>${some.map(key => {
    const stats = run.stats[key], d = base ? delta(run.metrics[key], base.metrics[key]) : '', better = d && !d.startsWith('±') && lessIsBetter(key) !== null ? ((run.metrics[key] < base.metrics[key]) === lessIsBetter(key) ? 'good' : 'worse') : '';
    return html`<tr key=${key}><th title=${key}>${key}</th><td>${concluded.includes(key) ? html`<span class="note" title="concluded from what the program did, not told by it">inferred</span> ` : null}${run.metrics[key] === null ? 'None' : num(run.metrics[key])}${stats && stats[8] ? html` <span class="bad" title="values that were NaN or infinite">▲${stats[8]}</span>` : null}</td>${base ? html`<td class=${better}>${d}</td>` : null}<td class="note">${stats && stats[0] > 1 ? num(stats[5]) : ''}</td><td class="note">${stats && stats[0] > 1 ? num(stats[6]) : ''}</td></tr>`;
  })}</tbody></table>${some.length < keys.length ? html`<button type="button" class="more" onClick=${() => setAll(true)}>show all ${keys.length}</button>` : null}`;
}

// By the dots in their names; what differs from the baseline is marked, what was set twice shows its earlier values.
export function Params({ run, base }) {
  const [all, setAll] = useState(false), [find, setFind] = useState(''), keys = Object.keys(run.params);
  if (!keys.length) return html`<p class="quiet">none</p>`;
  const differ = key => base && typed(base.params[key]) !== typed(run.params[key]);
  const rank = key => (differ(key) ? 0 : 1);
  const found = keys.filter(key => key.toLowerCase().includes(find.toLowerCase())).sort((a, b) => rank(a) - rank(b) || depth(a) - depth(b) || (a < b ? -1 : 1)), some = all || find ? found : found.slice(0, MANY);
  return html`${keys.length > MANY ? html`<input type="search" class="infact" placeholder="find a parameter" aria-label="find a parameter" value=${find} onInput=${e => setFind(e.target.value)} />` : null}
    <table class="kv"><tbody>${some.map(key => html`<tr key=${key} class=${differ(key) ? 'differs' : ''}><th title=${key}>${key}</th><td>${run.params_before[key] ? html`<s class="note" title="set earlier">${run.params_before[key].map(typed).join(', ')}</s> ` : null}${typed(run.params[key])}${differ(key) ? html` <span class="note">baseline ${typed(base.params[key]) || 'none'}</span>` : null}</td></tr>`)}</tbody></table>
    ${some.length < found.length ? html`<button type="button" class="more" onClick=${() => setAll(true)}>show all ${keys.length}</button>` : null}`;
}

const depth = key => key.split('.').length;

// Anything nested: objects fold, long lists are cut until asked for.
export function Tree({ value }) {
  const entries = Object.entries(value || {});
  if (!entries.length) return html`<p class="quiet">none</p>`;
  return html`<div class="tree-facts">${entries.map(([key, v]) => (v !== null && typeof v === 'object' && Object.keys(v).length
    ? html`<details key=${key} open=${Object.keys(v).length <= 6}><summary>${key} <em class="note">${Object.keys(v).length}</em></summary><${Tree} value=${v} /></details>`
    : html`<div key=${key} class="leaf"><span class="note">${key}</span> <span>${typed(v)}</span></div>`))}</div>`;
}
