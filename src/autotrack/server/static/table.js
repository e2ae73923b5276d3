// All runs as a table. Only the rows and columns on the screen exist; a row's element is one of a pool, so scrolling makes none.

import { useEffect, useRef, useState } from 'preact/hooks';
import { join, list } from './address.js';
import { Cell, editing } from './cells.js';
import { Chooser, columnsShown, head, isNumber, width } from './chooser.js';
import { Bulk } from './bulk.js';
import { Nothing } from './empty.js';
import { bare, count, num, plural, typed } from './format.js';
import { grouped, summary } from './groups.js';
import { html } from './html.js';
import { useWindow } from './list.js';
import * as runs from './runs.js';
import { at, eager, go, hover, turn } from './state.js';

const ROW = 28, HEAD = 34, BOX = 34, OVER = 6, PRINTED = 1000;

// A click sorts: down, up, not at all; with Shift it is one key more.
function sortBy(column, more) {
  const keys = list(at.sort.value), now = keys.find(key => key.replace(/^-/, '') === column), next = !now ? '-' + column : now[0] === '-' ? column : '';
  const others = more ? keys.filter(key => key.replace(/^-/, '') !== column) : [];
  turn({ sort: join([...others, next].filter(Boolean)) || '-created' });
}

let measured = { rows: null, rev: -1, known: new Map() };
function extent(column, rows) { // of all rows that the filter lets through, once for each state of the columns
  if (measured.rows !== rows || measured.rev !== runs.rev.value) measured = { rows, rev: runs.rev.value, known: new Map() };
  if (!measured.known.has(column)) measured.known.set(column, runs.table.extent(column, rows));
  return measured.known.get(column);
}

export function Table() {
  const [ref, view] = useWindow(), [active, setActive] = useState(-1), [shut, setShut] = useState(new Set()), by = at.group.value, columns = columnsShown(), all = runs.order.value;
  runs.rev.value;
  for (const column of columns) runs.column(column);
  if (by) runs.column(by);
  const last = useRef({}), held = editing.value && last.current.table === runs.table, ordered = held ? null : by ? grouped(runs.shown.value, row => runs.table.value(by, row), shut) : runs.shown.value;
  if (!held) last.current = { table: runs.table, items: ordered };
  const { items } = last.current;
  const flip = key => { const next = new Set(shut); if (!next.delete(key)) next.add(key); setShut(next); };
  const lefts = [BOX];
  for (const column of columns) lefts.push(lefts[lefts.length - 1] + width(column));
  const total = lefts[lefts.length - 1], from = eager.value ? 0 : Math.max(0, Math.floor(view.top / ROW) - OVER), to = Math.min(items.length, eager.value ? PRINTED : Math.ceil((view.top + view.height) / ROW) + OVER);
  const first = Math.max(1, lefts.findIndex(x => x > view.left) - 1), past = lefts.findIndex(x => x > view.left + view.width), shown = [0];
  for (let k = first; k < (past < 0 ? columns.length : past); k++) shown.push(k);
  const pool = eager.value ? PRINTED : Math.ceil(view.height / ROW) + 2 * OVER + 1, paint = runs.paint.value, drawn = new Set(runs.drawn.value);
  const scales = new Map(shown.filter(k => columns[k].startsWith('metrics.')).map(k => [k, extent(columns[k], all)]));

  useEffect(() => { // the active row stays in sight
    const el = ref.current, top = active * ROW;
    if (active < 0 || !el) return;
    if (top < el.scrollTop) el.scrollTop = top;
    else if (top + ROW + HEAD > el.scrollTop + el.clientHeight) el.scrollTop = top + ROW + HEAD - el.clientHeight;
  }, [active]);

  const key = e => {
    if (e.target.closest('input:not([type=checkbox])')) return;
    const page = Math.floor(view.height / ROW) - 1, by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -items.length, End: items.length }[e.key], row = items[active]?.row;
    if (by) { e.preventDefault(); setActive(Math.max(0, Math.min(items.length - 1, active + by))); return; }
    if (e.key === 'Enter' && items[active]?.head) flip(items[active].head.key);
    if (row === undefined) return;
    if (e.key === 'Enter') { e.preventDefault(); go({ tab: 'run', run: runs.table.id[row] }); }
    if (e.key === ' ') { e.preventDefault(); runs.tick(runs.table.id[row]); }
  };

  if (!items.length) return html`<div class="table-view"><${Nothing} /></div>`;
  return html`<div class="table-view"><${Tools} columns=${columns} all=${all} items=${items} />
    <div class="table" ref=${ref} tabindex="0" role="grid" aria-label="Runs" aria-rowcount=${items.length + 1} aria-colcount=${columns.length + 1} aria-multiselectable="true" onKeyDown=${key} onPointerLeave=${() => { hover.value = ''; }}>
    <div class="sheet" style=${{ height: items.length * ROW + HEAD + 'px', width: total + 'px' }}>
      <div class="thead" role="row" aria-rowindex="1"><span class="cell box" role="columnheader"><${TickAll} all=${all} /></span>${shown.map(k => html`<${Head} key=${columns[k]} column=${columns[k]} k=${k} left=${lefts[k]} />`)}</div>
      ${Array.from({ length: Math.max(0, to - from) }, (_, j) => {
        const i = from + j, item = items[i];
        if (item.head) return html`<${Group} key=${i % pool} head=${item.head} by=${by} i=${i} active=${active === i} shown=${shown} columns=${columns} lefts=${lefts} flip=${flip} />`;
        const { row } = item, id = runs.table.id[row], on = runs.picked.value.has(id);
        return html`<div role="row" key=${i % pool} aria-rowindex=${i + 2} aria-selected=${on} class=${'tr' + (on ? ' on' : '') + (hover.value === id ? ' hot' : '') + (active === i ? ' active' : '')} style=${{ transform: `translateY(${HEAD + i * ROW}px)` }}
            onPointerEnter=${() => { hover.value = id; }}>
          <span class="cell box" role="gridcell"><input type="checkbox" checked=${on} aria-label=${'tick ' + runs.table.name[row]} onChange=${() => runs.tick(id)} tabindex="-1" /></span>
          ${shown.map(k => html`<${Cell} key=${columns[k]} column=${columns[k]} row=${row} left=${lefts[k]} width=${width(columns[k])} scale=${scales.get(k)} item=${k ? null : item} color=${k || !drawn.has(row) ? '' : paint(row).color} />`)}
        </div>`;
      })}
    </div></div></div>`;
}

function Head({ column, k, left }) {
  runs.rev.value; // whether it holds numbers is known when its column is here
  const keys = list(at.sort.value), place = keys.findIndex(key => key.replace(/^-/, '') === column), down = place >= 0 && keys[place][0] === '-';
  const [group, text, statistic] = head(column);
  return html`<span role="columnheader" class=${'cell th' + (isNumber(column) ? ' num' : '') + (k ? '' : ' stick')} aria-sort=${place < 0 ? 'none' : down ? 'descending' : 'ascending'} style=${{ left: (k ? left : BOX) + 'px', width: width(column) + 'px' }}
    onClick=${e => sortBy(column, e.shiftKey)}><button type="button" title=${`${group ? group + ' ' : ''}${text}${statistic ? ', ' + statistic : ''}: click sorts, Shift-click adds a key`}>${text}${statistic ? html` <small>${statistic}</small>` : null}${place >= 0 ? (down ? ' ↓' : ' ↑') + (keys.length > 1 ? place + 1 : '') : ''}</button></span>`;
}

// The head of a group: its value, how many, and of each metric the mean.
function Group({ head, by, i, active, shown, columns, lefts, flip }) {
  runs.rev.value;
  return html`<div role="row" aria-rowindex=${i + 2} class=${'tr group' + (active ? ' active' : '')} style=${{ transform: `translateY(${HEAD + i * ROW}px)` }}><span class="cell box"></span>
    ${shown.map(k => {
      const place = { left: (k ? lefts[k] : BOX) + 'px', width: width(columns[k]) + 'px' };
      if (!k) return html`<span key="name" role="gridcell" class="cell name stick" style=${place}><button type="button" tabindex="-1" aria-expanded=${!head.shut} onClick=${() => flip(head.key)}><i class=${'twist' + (head.shut ? '' : ' open')}></i>${bare(by)} ${head.value === undefined ? 'none' : typed(head.value)} <em>${count(head.rows.length)}</em></button></span>`;
      const s = columns[k].startsWith('metrics.') ? summary(head.rows.map(row => runs.table.value(columns[k], row))) : null;
      return html`<span key=${columns[k]} role="gridcell" class="cell num" style=${place} title=${s ? `mean of ${s.n}; ${num(s.min)} … ${num(s.max)}` : undefined}>${s ? '⌀ ' + num(s.mean) : ''}</span>`;
    })}</div>`;
}

function TickAll({ all }) {
  const ticked = runs.picked.value.size, box = useRef();
  useEffect(() => { box.current.indeterminate = ticked > 0 && ticked < all.length; }, [ticked, all.length]);
  return html`<input ref=${box} type="checkbox" checked=${ticked > 0 && ticked >= all.length} aria-label="tick all runs that are listed" title="tick all that are listed (at most 1,000)" onChange=${() => turn({ pick: ticked ? '' : join(all.slice(0, 1000).map(row => runs.table.id[row])) })} />`;
}

function Tools({ columns, all, items }) {
  return html`<div class="table-tools"><b>${plural(all.length, 'run')}</b>${!at.group.value && items.length < all.length ? html`<span class="note">in ${plural(items.length, 'line')}</span>` : null}
    <label class="note">group <select value=${at.group.value} onChange=${e => turn({ group: e.target.value })}><option value="">none</option>${[...new Set([at.group.value, 'status', ...columns.filter(c => /^(params|tags)\./.test(c)), ...runs.facts.value.tags.map(t => 'tags.' + t)])].filter(Boolean).map(c => html`<option key=${c} value=${c}>${bare(c)}</option>`)}</select></label>
    ${runs.foldable.value ? html`<label class="note" title="repeated fits of one line, and the fits inside a search, as one line"><input type="checkbox" checked=${runs.folds.value} onChange=${e => turn({ fold: e.target.checked ? '1' : '0' })} /> fold</label>` : null}
    <${Bulk} columns=${columns} all=${all} /><${Chooser} columns=${columns} />
    <span class="note keysline">${count(columns.length)} columns</span></div>`;
}
