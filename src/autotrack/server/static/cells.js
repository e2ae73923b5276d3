// One cell of the table: what a value looks like, and how it is edited.

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { setField, setTag } from './edits.js';
import { ago, minus, moment, num, span, took, typed } from './format.js';
import { html } from './html.js';
import * as runs from './runs.js';
import { go, link, signal } from './state.js';

function shownText(column, row) {
  const { table } = runs, value = table.value(column, row);
  if (column === 'created' || column === 'ended') return value ? ago(value) : '';
  if (column === 'duration') return value === undefined ? (table.status[row] === 'running' ? took(table.created[row]) : '') : span(value);
  if (column.startsWith('metrics.')) return num(value);
  const whole = typed(value);
  if (typeof value !== 'number' || whole.length < 9) return whole;
  const six = minus(String(+value.toPrecision(6))); // a number that is cut off is a wrong one; all digits are in the title
  return six.length < 9 ? six : num(value);
}

const editable = column => column === 'name' || column === 'notes' || column.startsWith('tags.');

export const editing = signal(0); // how many texts are being edited: meanwhile no row moves

// An input in the place of a text; Enter keeps, Escape leaves.
export function Edit({ value, done, label }) {
  const ref = useRef(), over = useRef(false); // a field that goes away loses the focus, too: the first end counts
  const end = text => { if (!over.current) { over.current = true; done(text); } };
  useLayoutEffect(() => { // before a key can come
    ref.current.focus();
    ref.current.select();
    editing.value++;
    return () => { editing.value--; };
  }, []);
  const key = e => {
    e.stopPropagation();
    if (e.key === 'Enter') end(e.target.value);
    if (e.key === 'Escape') end(null);
  };
  return html`<input ref=${ref} class="edit" defaultValue=${value} aria-label=${label} maxlength="2000" onKeyDown=${key} onBlur=${e => end(e.target.value)} onClick=${e => e.stopPropagation()} />`;
}

export function Cell({ column, row, left, width, scale, item, color }) {
  runs.rev.value; // a component sees changes only of what it reads
  const { table } = runs, id = table.id[row], [edited, setEdited] = useState(''), place = { left: left + 'px', width: width + 'px' };
  const value = table.value(column, row);
  if (edited === id) {
    const done = text => {
      setEdited('');
      if (text === null) return;
      if (column.startsWith('tags.')) setTag([id], column.slice(5), text.trim());
      else setField(id, column, text);
    };
    return html`<span role="gridcell" class=${'cell' + (item ? ' name stick' : '')} style=${place}><${Edit} value=${value ?? ''} label=${`${column} of ${table.name[row]}`} done=${done} /></span>`;
  }
  if (item) {
    return html`<span role="gridcell" class=${'cell name stick' + (item.inside ? ' inside' : '')} style=${place}><i style=${color ? { background: color } : {}}></i>
      <a href=${link({ tab: 'run', run: id })} title=${table.name[row]} onClick=${e => { if (!e.ctrlKey && !e.metaKey) { e.preventDefault(); go({ tab: 'run', run: id }); } }}>${table.name[row]}</a>
      ${item.more ? html`<button type="button" class="fold" aria-expanded=${runs.unfolded.value.has(id)} aria-label=${`${item.more} more of this kind`} onClick=${() => runs.unfold(id)}>+${item.more}</button>` : null}
      <button type="button" class="pen" tabindex="-1" aria-label=${'rename ' + table.name[row]} title="rename" onClick=${() => setEdited(id)}>✎</button></span>`;
  }
  const text = shownText(column, row), edit = editable(column) ? () => setEdited(id) : undefined;
  if (column === 'status') return html`<span role="gridcell" class=${'cell st ' + value} style=${place} title=${table.error[row] || ''}>${value}</span>`;
  if (column === 'created' || column === 'ended') return html`<span role="gridcell" class="cell num" style=${place} title=${value ? moment(value) : ''}>${text}</span>`;
  // NaN has no bar, and must not keep that of the row that stood here
  if (scale && scale[1] > scale[0] && value === +value) place.backgroundSize = Math.max(0, Math.min(1, (value - scale[0]) / (scale[1] - scale[0]))) * 100 + '% 100%';
  const kind = scale ? 'gauge num' : typeof value === 'number' || column === 'duration' ? 'num' : 'word';
  return html`<span role="gridcell" class=${`cell ${kind}${edit ? ' editable' : ''}`} style=${place} title=${kind === 'word' ? text : typeof value === 'number' ? String(value) : undefined} onDblClick=${edit}>${text}${edit ? html`<button type="button" class="pen" tabindex="-1" aria-label=${`edit ${column} of ${table.name[row]}`} onClick=${edit}>✎</button>` : null}</span>`;
}
