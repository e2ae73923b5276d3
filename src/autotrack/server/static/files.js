// The files of a run: tables of importances as bars, those of a classifier as heat map and curves, other tables as tables, pictures and texts shown, all of them to be saved.

import { useEffect, useState } from 'preact/hooks';
import * as api from './api.js';
import { Diff } from './diff.js';
import { Drawn } from './drawn.js';
import { bytes, count, natural, num, typed } from './format.js';
import { html } from './html.js';
import { recognised } from './recognised.js';

const AT_ONCE = 4; // previews that are open at first
const MOST = 500; // rows of a table that are shown

export function Files({ run }) {
  const files = [...run.artifacts].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1)), [flipped, flip] = useState(new Set());
  const first = new Set(files.filter(f => f.shown === 'image' || f.shown === 'table').slice(0, AT_ONCE).map(f => f.name));
  const turn = name => { const next = new Set(flipped); if (!next.delete(name)) next.add(name); flip(next); };
  return html`<ul class="files">${files.map(f => {
    const open = f.shown && first.has(f.name) !== flipped.has(f.name);
    return html`<li key=${f.name}><div class="file">${f.shown ? html`<button type="button" aria-expanded=${!!open} onClick=${() => turn(f.name)}><i class=${'twist' + (open ? ' open' : '')}></i>${f.name}</button>` : html`<span>${f.name}</span>`}
      <span class="note">${f.kind && f.kind !== 'file' ? f.kind + ' · ' : ''}${f.step === null || f.step === undefined ? '' : 'step ' + count(f.step) + ' · '}${bytes(f.size)}</span><a class="mini" href=${api.file(run.id, f.name)} download aria-label=${'save ' + f.name}>save</a></div>
      ${open ? html`<${Preview} run=${run.id} name=${f.name} digest=${f.digest} />` : null}</li>`;
  })}</ul>`;
}

const rank = f => (f.shown === 'table' ? 0 : f.shown === 'image' ? 1 : f.shown === 'text' ? 2 : 3);

function Preview({ run, name, digest }) {
  const [got, set] = useState(null);
  useEffect(() => {
    let over = false;
    api.preview(run, name).then(p => over || set(p)).catch(error => over || set({ problem: error.message }));
    return () => { over = true; };
  }, [run, name, digest]);
  if (!got) return html`<p class="quiet">…</p>`;
  if (got.problem) return html`<p class="quiet">${got.problem}</p>`;
  if (got.shown === 'image') return html`<a href=${got.src} target="_blank" rel="noopener"><img class="picture" src=${got.src} alt=${name} loading="lazy" onError=${() => set({ problem: 'this picture cannot be shown; save the file' })} /></a>`;
  if (got.shown === 'table') return html`<${Sheet} table=${got} name=${name} />`;
  if (/\.(diff|patch)$/.test(name)) return html`<${Diff} text=${got.text} />${got.cut ? html`<p class="quiet">there is more; save the file for all</p>` : null}`;
  if (!got.text) return html`<p class="quiet">an empty file</p>`;
  return html`<pre class="text-file" tabindex="0">${got.text}${got.cut ? '\n… there is more' : ''}</pre>`;
}

// A table; if it says how much each of its rows weighs, bars.
export function Sheet({ table, name }) {
  const weight = /importance/.test(name) ? table.columns.findIndex((c, i) => /^(importance|gain|weight|coef|total_gain|cover|mean)/.test(c) && typeof table.rows[0]?.[i] === 'number') : -1;
  const label = table.columns.findIndex((_, i) => typeof table.rows[0]?.[i] === 'string');
  if (weight >= 0 && label >= 0 && table.rows.length) return html`<${Bars} rows=${table.rows.map(row => ({ name: String(row[label]), value: row[weight] }))} by=${table.columns[weight]} />`;
  const shape = recognised(table), plain = html`<${Plain} table=${table} />`;
  return shape ? html`<${Drawn} shape=${shape} table=${table}>${plain}</${Drawn}>` : plain;
}

// Bars of both signs go both ways from the middle.
const place = (share, both) => (both ? { width: Math.abs(share) * 50 + '%', marginLeft: 50 + Math.min(0, share) * 50 + '%' } : { width: Math.abs(share) * 100 + '%' });

export function Bars({ rows, by, signed = false, pick = null }) {
  const [all, setAll] = useState(false), sorted = [...rows].filter(r => Number.isFinite(r.value)).sort((a, b) => Math.abs(b.value) - Math.abs(a.value)), most = Math.max(1e-300, ...sorted.map(r => Math.abs(r.value))), both = sorted.some(r => r.value < 0) && sorted.some(r => r.value > 0), some = all ? sorted : sorted.slice(0, 15);
  return html`<table class="bars"><caption>${by}</caption><tbody>${some.map(r => html`<tr key=${r.name}><th title=${r.name}>${pick ? html`<button type="button" onClick=${() => pick(r)}>${r.name}</button>` : r.name}</th><td><i class=${r.value < 0 || (signed && r.sign < 0) ? 'minus' : ''} style=${place(r.value / most, both)}></i></td><td class="num">${num(r.value)}</td></tr>`)}</tbody></table>
    ${some.length < sorted.length ? html`<button type="button" class="more" onClick=${() => setAll(true)}>show all ${sorted.length}</button>` : null}`;
}

function Plain({ table }) {
  const [by, setBy] = useState(null), [more, setMore] = useState(false), rows = by === null ? table.rows : [...table.rows].sort((a, b) => order(a[by.column], b[by.column], by.down ? -1 : 1)), some = rows.slice(0, more ? MOST : 25);
  const numeric = table.columns.map((_, i) => table.rows.some(row => typeof row[i] === 'number'));
  return html`${table.columns.length ? html`<div class="plain" tabindex="0"><table><thead><tr>${table.columns.map((c, i) => html`<th key=${i} class=${numeric[i] ? 'num' : ''} aria-sort=${by && by.column === i ? (by.down ? 'descending' : 'ascending') : 'none'}><button type="button" onClick=${() => setBy({ column: i, down: !(by && by.column === i && by.down) })}>${c}${by && by.column === i ? (by.down ? ' ↓' : ' ↑') : ''}</button></th>`)}</tr></thead>
    <tbody>${some.map((row, k) => html`<tr key=${k}>${row.map((v, i) => html`<td key=${i} class=${numeric[i] ? 'num' : ''}>${typeof v === 'number' ? num(v) : typed(v)}</td>`)}</tr>`)}</tbody></table></div>` : null}
    ${rows.length ? null : html`<p class="quiet">no rows</p>`}
    ${some.length < Math.min(rows.length, MOST) ? html`<button type="button" class="more" onClick=${() => setMore(true)}>show ${Math.min(rows.length, MOST)} rows</button>` : null}
    ${table.cut || more && rows.length > MOST ? html`<p class="quiet">the first ${count(Math.min(rows.length, MOST))}${table.total ? ' of ' + count(table.total) : ''} rows; save the file for all</p>` : null}`;
}

// What is no value, or no number, comes last either way.
const none = v => v === null || v === undefined || v === 'NaN' || String(v).trim() === '';
const order = (a, b, way) => (none(a) || none(b) ? none(a) - none(b) : way * natural(String(a), String(b)));
