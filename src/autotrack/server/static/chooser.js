// Which columns the table has. Kept for each experiment in this browser, and in the address; a new run never resets it.

import { useState } from 'preact/hooks';
import { join, list } from './address.js';
import { bare } from './format.js';
import { html } from './html.js';
import { Menu } from './menu.js';
import { shallow } from './panels.js';
import * as runs from './runs.js';
import { at, recall, remember, turn } from './state.js';

const OWN = ['name', 'status', 'created', 'duration', 'ended', 'notes', 'error', 'kind', 'host', 'experiment', 'id'], AT_FIRST = 14, STATISTICS = ['min', 'max', 'mean', 'first', 'count'];
const WIDTHS = { name: 230, status: 118, created: 104, duration: 84, ended: 104, notes: 220, error: 260, kind: 120, host: 110, experiment: 160, id: 240 };

export function usual() {
  const { headline, varying } = runs.facts.value;
  return ['name', 'status', 'created', 'duration', ...headline.map(key => 'metrics.' + key), ...shallow(varying).slice(0, AT_FIRST).map(key => 'params.' + key)];
}

export function columnsShown() {
  const told = at.cols.value ? list(at.cols.value) : recall('cols.' + at.e.value, null) || usual();
  return ['name', ...told.filter(column => column !== 'name')];
}

function choose(columns) {
  const same = join(columns) === join(usual());
  remember('cols.' + at.e.value, same ? null : columns);
  turn({ cols: same ? '' : join(columns) });
}

export function head(column) {
  const group = /^(params|metrics|tags)\./.exec(column), told = /^metrics\..*@(min|max|mean|first|count)$/.exec(column);
  return [group ? { params: 'param', metrics: 'metric', tags: 'tag' }[group[1]] : '', bare(told ? column.slice(0, -told[1].length - 1) : column), told ? told[1] : ''];
}

export const width = column => WIDTHS[column] || Math.max(84, Math.min(190, bare(column).length * 7.4 + 44));

export function isNumber(column) {
  if (column === 'created' || column === 'ended' || column === 'duration' || column.startsWith('metrics.')) return true;
  return column.startsWith('params.') && !!runs.table.get(column)?.values;
}

export function Chooser({ columns }) {
  const [find, setFind] = useState('');
  const { params, metrics, tags } = runs.facts.value, on = new Set(columns);
  const all = [...columns, ...OWN, ...metrics.map(key => 'metrics.' + key), ...params.map(key => 'params.' + key), ...tags.map(key => 'tags.' + key),
    ...(find ? metrics.flatMap(key => STATISTICS.map(s => `metrics.${key}@${s}`)) : [])];
  const found = [...new Set(all)].filter(column => column !== 'name' && column.toLowerCase().includes(find.toLowerCase()));
  const flip = column => { // a new one stands where it is seen: before the params
    const first = columns.findIndex(c => c.startsWith('params.')), place = first < 0 ? columns.length : first;
    choose(on.has(column) ? columns.filter(c => c !== column) : [...columns.slice(0, place), column, ...columns.slice(place)]);
  };
  const move = (column, by) => {
    const now = [...columns], i = now.indexOf(column), j = Math.max(1, Math.min(now.length - 1, i + by));
    now.splice(j, 0, ...now.splice(i, 1));
    choose(now);
  };
  return html`<${Menu} text="columns" look="mini" wide=${true}>${() => html`<input name="find" type="search" placeholder="find a column" aria-label="find a column" value=${find} onInput=${e => setFind(e.target.value)} />
      <div class="scrolls">${found.slice(0, 200).map(column => {
        const [group, text, statistic] = head(column);
        return html`<label key=${column}><input type="checkbox" checked=${on.has(column)} onChange=${() => flip(column)} /><span>${text}${statistic ? html` <small>${statistic}</small>` : null}</span><em class="note">${group}</em>
          ${on.has(column) ? html`<button type="button" aria-label=${`move ${text} left`} onClick=${e => { e.preventDefault(); move(column, -1); }}>‹</button><button type="button" aria-label=${`move ${text} right`} onClick=${e => { e.preventDefault(); move(column, 1); }}>›</button>` : null}</label>`;
      })}</div>
      ${found.length > 200 ? html`<p class="note">${found.length - 200} more: type a part of the name</p>` : null}
      <button type="button" onClick=${() => choose(usual())}>the usual columns</button>`}</${Menu}>`;
}
