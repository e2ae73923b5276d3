// Tables of what is known of a run: metrics, parameters as a tree, environment.

import { useState } from 'preact/hooks';
import { copy } from './empty.js';
import { count, delta, natural, num, typed } from './format.js';
import { html } from './html.js';
import { lessIsBetter } from './panels.js';

const MANY = 14;
const LONG = 400, HEAD = 240; // characters of a value, beyond which it is folded, and of what is shown then
const DEEP = 120; // characters of a name, beyond which it branches no more

// A value as it was typed; a long one in short, until it is asked for.
function Value({ value }) {
  const [open, turn] = useState(false), text = typed(value);
  if (text.length <= LONG) return text;
  return html`<div class="long">${open ? text : text.slice(0, HEAD).replace(/[\ud800-\udbff]$/, '') + '…'} <button type="button" class="mini" aria-expanded=${open} onClick=${() => turn(!open)}>${open ? 'less' : `all ${count(text.length)} characters`}</button> <button type="button" class="mini" onClick=${() => copy(text, 'value copied')}>copy</button></div>`;
}

export function Pairs({ pairs }) {
  return html`<table class="kv"><tbody>${pairs.map(([key, value]) => html`<tr key=${key}><th>${key}</th><td><${Value} value=${value} /></td></tr>`)}</tbody></table>`;
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

// A tree by the dots in their names; what differs from the baseline comes first and is marked, what was set twice shows its earlier values.
export function Params({ run, base }) {
  const [all, setAll] = useState(false), [find, setFind] = useState(''), keys = Object.keys(run.params);
  if (!keys.length) return html`<p class="quiet">none</p>`;
  const differ = key => base && typed(base.params[key]) !== typed(run.params[key]);
  const found = keys.filter(key => key.toLowerCase().includes(find.toLowerCase())).sort((a, b) => !differ(a) - !differ(b) || natural(a, b));
  const most = all || find ? Infinity : MANY, top = branches(found, 0);
  return html`${keys.length > MANY ? html`<input type="search" class="infact" placeholder="find a parameter" aria-label="find a parameter" value=${find} onInput=${e => setFind(e.target.value)} />` : null}
    <${Branch} run=${run} base=${base} differ=${differ} found=${top} start=${0} most=${most} wide=${!!find} />
    ${top.leaves.length > most ? html`<button type="button" class="more" onClick=${() => setAll(true)}>show all ${keys.length}</button>` : null}`;
}

// Of names that begin alike until `start`: those that end here, and the others by their next part; one alone is no branch.
function branches(keys, start) {
  const leaves = [], boughs = new Map();
  for (const key of keys) {
    const dot = start > DEEP ? -1 : key.indexOf('.', start), part = key.slice(start, dot < 0 ? key.length : dot);
    if (dot < 0) leaves.push(key);
    else boughs.set(part, [...(boughs.get(part) || []), key]);
  }
  for (const [part, below] of boughs) if (below.length === 1) { boughs.delete(part); leaves.push(...below); }
  return { leaves, boughs: [...boughs] };
}

function Branch({ run, base, differ, found, start, most, wide }) {
  return html`${found.leaves.length ? html`<table class="kv"><tbody>${found.leaves.slice(0, most).map(key => html`<tr key=${key} class=${differ(key) ? 'differs' : ''}><th title=${key}>${key.slice(start)}</th><td>${run.params_before[key] ? html`<s class="note" title="set earlier"><${Value} value=${run.params_before[key].map(typed).join(', ')} /></s> ` : null}<${Value} value=${run.params[key]} />${differ(key) ? html` <span class="note">baseline ${key in base.params ? html`<${Value} value=${base.params[key]} />` : 'none'}</span>` : null}</td></tr>`)}</tbody></table>` : null}
    ${found.boughs.length ? html`<div class="tree-facts">${found.boughs.map(([part, below]) => html`<details key=${part} open=${wide || below.length <= 6 || below.some(differ)}><summary>${part} <em class="note">${below.length}</em></summary>
      <${Branch} run=${run} base=${base} differ=${differ} found=${branches(below, start + part.length + 1)} start=${start + part.length + 1} most=${Infinity} wide=${wide} /></details>`)}</div>` : null}`;
}

// Anything nested: objects fold, long lists are cut until asked for.
export function Tree({ value }) {
  const entries = Object.entries(value || {});
  if (!entries.length) return html`<p class="quiet">none</p>`;
  return html`<div class="tree-facts">${entries.map(([key, v]) => (v !== null && typeof v === 'object' && Object.keys(v).length
    ? html`<details key=${key} open=${Object.keys(v).length <= 6}><summary>${key} <em class="note">${Object.keys(v).length}</em></summary><${Tree} value=${v} /></details>`
    : html`<div key=${key} class="leaf"><span class="note">${key}</span> <span><${Value} value=${v} /></span></div>`))}</div>`;
}
