// Some runs side by side: what differs, how far each is from the baseline, and their curves on top.

import { useEffect, useState } from 'preact/hooks';
import * as api from './api.js';
import { join } from './address.js';
import { Grid } from './charts.js';
import { delta, moment, num, took, typed } from './format.js';
import { html } from './html.js';
import { lessIsBetter, sections } from './panels.js';
import * as runs from './runs.js';
import { at, go, link, turn } from './state.js';

const MOST = 20, WORDS = { params: 'Parameters', metrics: 'Metrics', tags: 'Tags', code: 'Code', environment: 'Environment', datasets: 'Data' };

export function Compare() {
  const ids = [...runs.picked.value].slice(0, MOST), key = ids.join(), [state, set] = useState({ key: '', got: null, problem: '' });
  useEffect(() => {
    if (ids.length < 2) return undefined;
    let over = false, due = 0;
    const load = () => api.compare(ids).then(got => over || set({ key, got, problem: '' })).catch(error => over || set({ key, got: null, problem: error.message }));
    const live = change => { if (change.anew || change.runs.some(r => ids.includes(r.id)) || change.points.some(p => ids.includes(p[0]))) due ||= setTimeout(() => { due = 0; load(); }, 1500); };
    load();
    runs.listeners.add(live);
    return () => { over = true; clearTimeout(due); runs.listeners.delete(live); };
  }, [key]);
  if (ids.length < 2) return html`<${Few} n=${ids.length} />`;
  if (state.key !== key || !state.got) return html`<div class="empty">${state.problem ? html`<h2>${state.problem}</h2>` : null}</div>`;
  return html`<${Sheet} got=${state.got} ids=${ids} />`;
}

function Few({ n }) {
  const best = runs.order.value.slice(0, 2).map(row => runs.table.id[row]);
  return html`<div class="empty"><h2>${n ? 'One run is ticked; tick another' : 'Tick two runs or more'}</h2>
    <p>In the table by their boxes; in the charts by Ctrl-click on a line or a name, or with <kbd>x</kbd> over a run. Then <kbd>c</kbd> comes here.</p>
    ${best.length > 1 ? html`<button type="button" class="main" onClick=${() => turn({ pick: join(best) })}>Tick the first two of the list</button>` : null}</div>`;
}

function Sheet({ got, ids }) {
  const [all, setAll] = useState(new Set()), base = Math.max(0, got.runs.findIndex(r => r.id === at.base.value));
  const curves = runs.facts.value.curves.filter(key => got.sections.some(s => s.name === 'metrics' && s.rows.some(r => r.key === key && r.cells.filter(c => !(c && c.absent)).length)));
  const flip = name => { const next = new Set(all); if (!next.delete(name)) next.add(name); setAll(next); };
  const [first] = sections(curves), above = first ? first.panels.slice(0, 3).flatMap(p => p.keys) : [], below = curves.filter(key => !above.includes(key));
  return html`<div class="compare pane" tabindex="-1">${above.length ? html`<${Grid} only=${ids} keys=${above} />` : null}<div class="card scrolls-x"><table><thead><tr><td></td>${got.runs.map((r, i) => html`<${Column} key=${r.id} run=${r} base=${i === base} />`)}</tr></thead>
    <tbody><${Row} name="status" cells=${got.runs.map(r => html`<span class=${'st ' + r.status}>${r.status}</span>`)} /><${Row} name="started" cells=${got.runs.map(r => moment(r.started))} /><${Row} name="duration" cells=${got.runs.map(r => (r.ended ? took(r.started, r.ended) : ''))} /></tbody>
    ${got.sections.filter(s => s.rows.length).map(s => html`<${Section} key=${s.name} section=${s} base=${base} all=${s.name === 'metrics' ? !all.has(s.name) : all.has(s.name)} flip=${() => flip(s.name)} n=${got.runs.length} />`)}</table></div>
    ${below.length ? html`<${Grid} only=${ids} keys=${below} />` : null}</div>`;
}

function Column({ run, base }) {
  runs.rev.value;
  const row = runs.byId(run.id), to = { tab: 'run', run: run.id };
  return html`<th class=${base ? 'base' : ''}><i class="dot" style=${row === undefined ? {} : { background: runs.paint.value(row).color }}></i><a href=${link(to)} onClick=${e => { if (!e.ctrlKey && !e.metaKey) { e.preventDefault(); go(to); } }}>${run.name}</a>
    <div><button type="button" class=${'mini' + (base ? ' on' : '')} aria-pressed=${base} onClick=${() => turn({ base: run.id })}>${base ? 'baseline' : 'as baseline'}</button><button type="button" class="mini" aria-label=${'untick ' + run.name} onClick=${() => runs.tick(run.id)}>×</button></div></th>`;
}

function Row({ name, cells }) { return html`<tr><th>${name}</th>${cells.map((c, i) => html`<td key=${i}>${c}</td>`)}</tr>`; }

function Section({ section, base, all, flip, n }) {
  const { name, rows } = section, differing = rows.filter(r => r.differs), some = all ? rows : differing;
  return html`<tbody><tr class="sec"><th colspan=${n + 1}>${WORDS[name] || name} <span class="note">${differing.length === rows.length ? (rows.length === 1 ? 'it differs' : `all ${rows.length} differ`) : `${differing.length} of ${rows.length} differ`}</span>
      ${differing.length < rows.length ? html`<button type="button" class="mini" onClick=${flip}>${all ? 'only what differs' : 'show all'}</button>` : null}</th></tr>
    ${some.slice(0, 500).map(r => html`<tr key=${r.key}><th title=${r.key}>${r.key}</th>${r.cells.map((c, i) => html`<${Cell} key=${i} value=${c} from=${r.cells[base]} base=${i === base} metric=${name === 'metrics' ? r.key : ''} />`)}</tr>`)}</tbody>`;
}

function Cell({ value, from, base, metric }) {
  if (value && value.absent) return html`<td class="note">—</td>`;
  const text = metric && value !== null ? num(value) : typed(value);
  if (base) return html`<td class="base" title=${text}>${text}</td>`;
  const differs = JSON.stringify(value) !== JSON.stringify(from), d = metric ? delta(value, from) : '', less = metric ? lessIsBetter(metric) : null;
  const good = d && less !== null && !d.startsWith('±') ? ((value < from) === less ? 'good' : 'worse') : 'note';
  return html`<td class=${differs ? 'differs' : ''} title=${text}>${text}${d ? html` <em class=${good}>${d}</em>` : null}</td>`;
}
