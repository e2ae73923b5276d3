// What one does with the ticked runs, or with the whole table: compare, tag, hide, delete, copy.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { join } from './address.js';
import { remove, setTag } from './edits.js';
import { copy } from './empty.js';
import { save } from './export.js';
import { plural } from './format.js';
import { html } from './html.js';
import * as runs from './runs.js';
import { at, go, turn } from './state.js';
import { csv, markdown } from './written.js';

function cellsOf(rows, columns) {
  return rows.map(row => columns.map(column => {
    const v = runs.table.value(column, row);
    return (column === 'created' || column === 'ended') && v ? new Date(v * 1000).toISOString() : v;
  }));
}

function hide(ids) {
  const { alone, ids: before } = runs.hidden.value;
  turn({ hide: join(alone ? ['!', ...[...before].filter(id => !ids.includes(id))] : new Set([...before, ...ids])) });
}

export function Bulk({ columns, all }) {
  const [tagging, setTagging] = useState(false), [sure, setSure] = useState(false), form = useRef(), ids = [...runs.picked.value].filter(id => runs.byId(id) !== undefined), n = ids.length;
  const rows = n ? all.filter(row => runs.picked.value.has(runs.table.id[row])) : all, names = ['id', ...columns.filter(c => c !== 'id')];
  useEffect(() => { setSure(false); }, [n]);
  useLayoutEffect(() => { if (tagging) form.current.elements[0].focus(); }, [tagging]);
  const tag = e => {
    e.preventDefault();
    const given = new FormData(e.target), key = given.get('key').trim();
    if (key) setTag(ids, key, given.get('value').trim());
    setTagging(false);
  };
  return html`<span class="bulk">${n ? html`<b>${n} ticked</b>
      <button type="button" class="mini" disabled=${n < 2} onClick=${() => go({ tab: 'compare' })}>compare</button>
      ${tagging ? html`<form ref=${form} onSubmit=${tag} onKeyDown=${e => { if (e.key === 'Escape') setTagging(false); }}><input class="edit" name="key" placeholder="tag" aria-label="tag" list="tags-known" /><input class="edit" name="value" placeholder="value, empty: take off" aria-label="value" /><button type="submit" class="mini">set</button>
        <datalist id="tags-known">${runs.facts.value.tags.map(t => html`<option key=${t} value=${t} />`)}</datalist></form>` : html`<button type="button" class="mini" onClick=${() => setTagging(true)}>tag</button>`}
      <button type="button" class="mini" onClick=${() => hide(ids)}>hide</button>
      ${sure ? html`<button type="button" class="mini danger" onClick=${() => remove(ids)}>delete ${plural(n, 'run')}?</button>` : html`<button type="button" class="mini" onClick=${() => setSure(true)}>delete</button>`}
      <button type="button" class="mini" onClick=${() => turn({ pick: '' })}>untick</button>` : null}
    ${at.hide.value ? html`<button type="button" class="mini" onClick=${() => turn({ hide: '' })}>show ${runs.hidden.value.alone ? 'all' : runs.hidden.value.ids.size + ' hidden'}</button>` : null}
    <button type="button" class="mini" onClick=${() => copy(markdown(names, cellsOf(rows.slice(0, 2000), names)), `${plural(Math.min(2000, rows.length), 'row')} copied`)}>copy Markdown</button>
    <button type="button" class="mini" onClick=${() => save((at.e.value || 'runs') + '.csv', new Blob([csv([names, ...cellsOf(rows, names)])], { type: 'text/csv' }))}>CSV</button></span>`;
}
