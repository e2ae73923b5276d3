// What stands where nothing is yet: each says what was looked at and what to do.

import { clauses } from './clauses.js';
import { count, plural } from './format.js';
import { html } from './html.js';
import * as runs from './runs.js';
import { at, go, say } from './state.js';

const START = 'import autotrack\n\nautotrack.autolog()';

export async function copy(text, what = 'copied') {
  try { await navigator.clipboard.writeText(text); say(what); } catch { say('this browser does not let a page copy here'); }
}

export function Teach({ title, children }) {
  return html`<div class="empty"><h2>${title}</h2>${children}
    <div class="code"><pre>${START}</pre><button type="button" class="mini" onClick=${() => copy(START)}>copy</button></div>
    <p>Put these lines on top of a training script, or change nothing and type <code>autotrack run train.py</code>.</p>
    <p>Nothing at hand to train? <code>autotrack demo</code> trains some small models.</p></div>`;
}

// No run in the list: because of the query, or because there is none.
export function Nothing() {
  runs.rev.value;
  const total = runs.table.size - (runs.table.gone ? runs.table.gone.size : 0);
  if (!total) return html`<${Teach} title="No runs here yet"><p>Nothing was recorded ${at.e.value ? html`in <b>${at.e.value}</b>` : 'in this store'} so far. Runs appear by themselves, no reload needed.</p></${Teach}>`;
  const parts = clauses(at.q.value);
  return html`<div class="empty"><h2>No run fits</h2><p>${count(total)} ${total === 1 ? 'run is' : 'runs are'} in this experiment; none of them fits <code>${at.q.value}</code>.</p>
    <p>${(parts.length > 1 ? parts : []).map(part => html`<button type="button" class="mini" key=${part} onClick=${() => go({ q: part })}>only ${part}</button> `)}</p>
    <button type="button" class="main" onClick=${() => go({ q: '' })}>Clear the filter: ${plural(total, 'run')}</button></div>`;
}
