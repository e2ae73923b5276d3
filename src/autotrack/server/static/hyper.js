// Which hyperparameters matter: parallel coordinates with brushes, each of them against the target, and what the server computes of their weight.

import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from './api.js';
import { join, list } from './address.js';
import { clause, common, dimension } from './dimensions.js';
import { field, word } from './clauses.js';
import { Nothing } from './empty.js';
import { Bars } from './files.js';
import { bare, count, num, plural, typed } from './format.js';
import { html } from './html.js';
import { lessIsBetter, shallow } from './panels.js';
import { Parallel, spent } from './parallel.js';
import * as runs from './runs.js';
import { Scatter } from './scatter.js';
import { at, dark, effect, go, hover, turn, untracked } from './state.js';

const AXES = 7, ASKED = 24; // params that are looked at for them
const WIDE = 84; // pixels that an axis has at least
export { spent };

// Axes as the address says, or params that vary and that many of the runs with the target have; the last one is the target. null: not known yet.
function axesShown() {
  const told = list(at.axes.value), { varying, params, headline, metrics } = runs.facts.value;
  if (told.length > 1) return told;
  const key = headline[0] ?? metrics.find(one => !one.startsWith('system/')), target = told[0] || (key && 'metrics.' + key);
  if (!target) return [];
  const names = shallow(varying.length ? varying : params).slice(0, ASKED).map(one => 'params.' + one), [aim, ...columns] = [target, ...names].map(runs.column);
  if (!aim || columns.includes(undefined)) return null;
  const rows = runs.table.order(null, []).filter(row => aim.values && Number.isFinite(aim.values[row]));
  return [...common(names.map((name, i) => ({ name, column: columns[i] })), rows, AXES), target];
}

export function Hyper() {
  const { metrics, varying, params } = runs.facts.value, axes = axesShown(), [x, setX] = useState('created');
  if (!runs.order.value.length) return html`<${Nothing} />`;
  if (!axes) return html`<p class="quiet">…</p>`;
  const target = axes[axes.length - 1], given = axes.slice(0, -1);
  if (!target || !target.startsWith('metrics.')) return html`<div class="empty"><h2>No metric to aim at</h2><p>The runs of this experiment have no metric yet. One line gives them one:</p><pre>autotrack.log({"val/acc": accuracy})</pre></div>`;
  const least = lessIsBetter(bare(target)) === true, others = [...shallow(varying), ...params.filter(key => !varying.includes(key))].map(key => 'params.' + key).filter(name => !given.includes(name));
  const set = names => turn({ axes: join(names) }), shownX = x === 'created' || axes.includes(x) || others.includes(x) ? x : 'created';
  return html`<div class="hyper pane">
    <div class="hyper-bar"><label>target <select value=${target} onChange=${e => set([...given, e.target.value])}>${metrics.map(key => html`<option key=${key} value=${'metrics.' + key}>${key}</option>`)}</select></label>
      <span class="chips">${given.map(name => html`<span key=${name} class="chip"><button type="button" aria-label=${`move ${bare(name)} left`} onClick=${() => set([...moved(given, name), target])}>‹</button><bdi title=${bare(name)}>${bare(name)}</bdi><button type="button" aria-label=${'take off ' + bare(name)} onClick=${() => set([...given.filter(n => n !== name), target])}>×</button></span>`)}
      ${others.length ? html`<select value="" aria-label="add an axis" onChange=${e => e.target.value && set([...given, e.target.value, target])}><option value="">+ axis</option>${others.slice(0, 200).map(name => html`<option key=${name} value=${name}>${bare(name)}</option>`)}</select>` : null}</span></div>
    <${Coordinates} axes=${axes} least=${least} />
    <div class="halves"><section class="card"><h2>${bare(target)} <em>against</em> <select value=${shownX} aria-label="against" onChange=${e => setX(e.target.value)}><option value="created">time of start, with the best so far</option>${[...given, ...others].map(name => html`<option key=${name} value=${name}>${bare(name)}</option>`)}</select></h2><${Scatter} x=${shownX} y=${target} least=${least} /></section>
      <section class="card"><h2>Importance <em>share of the variance of ${bare(target)} that each explains by itself</em></h2><${Importance} target=${target} pick=${name => setX(name)} /></section></div></div>`;
}

function moved(names, name) {
  const out = [...names], i = out.indexOf(name);
  if (i > 0) out.splice(i - 1, 0, ...out.splice(i, 1));
  return out;
}

function Coordinates({ axes, least }) {
  const box = useRef(), plot = useRef(null), [kept, setKept] = useState(null), [hot, setHot] = useState(-1), key = axes.join('\0');
  useEffect(() => {
    const drawn = plot.current = new Parallel(box.current, {
      brushed: n => setKept(n),
      hover: row => { setHot(row); hover.value = row < 0 ? '' : runs.table.id[row]; },
      pick: row => go({ tab: 'run', run: runs.table.id[row] }),
    });
    drawn.least = least;
    const off = effect(() => {
      const rows = runs.order.value, night = dark.value;
      runs.rev.value;
      const dims = axes.map(name => ({ name, title: bare(name), ...dimension(runs.column(name), rows) })).filter(d => d.marks);
      untracked(() => drawn.set(dims, rows, night));
    });
    box.current.parallel = drawn;
    return () => { off(); drawn.close(); };
  }, [key, least]);
  const narrow = () => {
    const p = plot.current, clauses = [...p.brush].map(([name, [a, b]]) => clause(p.dims.find(d => d.name === name), field(name), word, a, b));
    p.brush.clear();
    const q = at.q.value.trim();
    go({ q: [...(q ? [/\bor\b/i.test(q) ? `(${q})` : q] : []), ...clauses].join(' and ') });
  };
  const all = runs.order.value.length;
  const told = hot >= 0 ? html`<b>${runs.table.name[hot]}</b> ${axes.map(name => `${bare(name)} ${name.startsWith('metrics.') ? num(runs.table.value(name, hot)) : typed(runs.table.value(name, hot))}`).join(' · ')}` : kept === null ? 'drag along an axis to keep some; double click lets go' : '';
  return html`<section class="card coordinates"><h2><span>${kept === null ? plural(all, 'run') : `${count(kept)} of ${count(all)} kept`}</span> ${kept === null ? null : html`${kept ? html`<button type="button" class="mini on" onClick=${narrow}>filter to these</button> ` : null}<button type="button" class="mini" onClick=${() => plot.current.clear()}>all</button>`}<em>${told}</em></h2>
    <div class="sideways" tabindex="0"><div class="par" ref=${box} style=${{ minWidth: axes.length * WIDE + 'px' }} role="img" aria-label=${`parallel coordinates of ${axes.map(bare).join(', ')}`}></div></div></section>`;
}

function Importance({ target, pick }) {
  const [got, set] = useState(null), q = at.q.value, e = at.e.value;
  useEffect(() => {
    let over = false;
    api.importance(e, q, target).then(a => over || set(a)).catch(error => over || set({ problem: error.message }));
    return () => { over = true; };
  }, [target, q, e, runs.order.value.length]);
  if (!got) return html`<p class="quiet">…</p>`;
  if (got.problem) return html`<p class="quiet">${got.problem}</p>`;
  if (!got.params.length) return html`<p class="quiet">Nothing to compare: ${plural(got.runs, 'run')} with the target, and it or each parameter is the same in them.</p>`;
  const rows = got.params.map(p => ({ name: p.key, value: p.importance, sign: p.direction ?? 0 }));
  return html`<div class="inner"><${Bars} rows=${rows} by=${`of ${count(got.runs)} runs; red: the more, the less`} signed=${true} pick=${r => pick('params.' + r.name)} /></div>`;
}
