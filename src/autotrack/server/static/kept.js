// In place of api.js on a page that has no server: answers from the data that the page carries. Written by server/portable.py.

import { along, over } from './along.js';
import { typed } from './format.js';

const data = JSON.parse(document.getElementById('data').textContent), { sections } = data.compare;
export const told = data;

// A column of doubles (d), or of float32 (f): of those 7 digits are meant, and no more are shown or copied.
function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.slice(1)), c => c.charCodeAt(0)).buffer;
  return text[0] === 'd' ? new Float64Array(bytes) : Float64Array.from(new Float32Array(bytes), v => +v.toPrecision(7));
}
const shared = [], sharedAt = i => (shared[i] ||= unpacked(data.shared[i]));

const cellsOf = (name, key) => (sections.find(s => s.name === name).rows.find(r => r.key === key) || { cells: [] }).cells;
const here = cell => !(cell && cell.absent);

// A column's name here -> {rows, values} or {rows, words, codes}. Of metrics: `last` from what runs compare by, the others from their statistics.
function column(name) {
  const dot = name.indexOf('.'), group = name.slice(0, dot), key = name.slice(dot + 1), of = /^(.*)@(last|min|max|mean|first|count)$/.exec(key), rows = [], values = [];
  const place = of ? ['count', 'last', '', 'first', '', 'min', 'max', 'mean'].indexOf(of[2]) : -1;
  const cells = of ? [] : cellsOf(group, key);
  data.compare.runs.forEach((run, i) => {
    const stats = of && data.stats[run.id][of[1]], value = of ? stats && stats[place] : cells[i];
    if (value === undefined || (of && value === null && place > 4) || !here(value)) return; // NaN has no least
    rows.push(run.number);
    values.push(value);
  });
  if (of || values.every(v => typeof v === 'number' || v === 'NaN')) return { rows, values };
  const words = [...new Set(values.map(typed))];
  return { rows, words, codes: values.map(v => words.indexOf(typed(v))) };
}

function carried(s) {
  if (s.y) return s;
  const [y, lo = y, hi = y, last = y] = s.columns.map(unpacked);
  return Object.assign(s, { steps: sharedAt(s.step), times: sharedAt(s.time), y, lo, hi, last });
}

function curve(s, asked) {
  const { steps, times } = carried(s), started = data.runs.started[data.runs.id.indexOf(s.run)];
  const other = asked.metric === undefined ? null : data.series.find(one => one.run === s.run && one.key === asked.metric);
  const x = asked === 'relative' ? times : asked === 'time' ? times.map(t => started + t) : asked === 'step' ? steps : other ? along(s, carried(other)) : steps.map(() => NaN);
  const { run, key, shift, flat, odds, count } = s, made = over(s, x);
  if (asked === 'step') [made.first, made.last] = [data.stats[run][key][4], data.stats[run][key][2]]; // a bucket's x is its last
  return { run, key, shift, flat, odds, count, ...made };
}

export const runs = async () => ({ cursor: '', runs: data.runs, ...data.names });
export const columns = async (_, names) => Object.fromEntries(names.map(name => [name, column(name)]));
export const search = async () => ({ rows: data.runs.number });
export const lost = async () => ({ rows: [] });
export const series = async ({ runs: ids, keys, x }) => ({ series: data.series.filter(s => ids.includes(s.run) && keys.includes(s.key)).map(s => curve(s, x)), pending: 0 });
export const live = (_, on) => { on.state('ok'); return () => {}; };

export async function compare(ids) {
  const places = ids.map(id => data.compare.runs.findIndex(run => run.id === id)).filter(i => i >= 0), of = all => places.map(i => all[i]);
  const row = r => { const cells = of(r.cells); return { key: r.key, cells, differs: cells.some(c => JSON.stringify(c) !== JSON.stringify(cells[0])) }; };
  return { runs: of(data.compare.runs), sections: sections.map(s => ({ name: s.name, rows: s.rows.map(row).filter(r => r.cells.some(here)) })) };
}

// What a run was made with, as its own page shows it.
export function run(id) {
  const i = data.compare.runs.findIndex(one => one.id === id), group = name => Object.fromEntries(sections.find(s => s.name === name).rows.filter(r => here(r.cells[i])).map(r => [r.key, r.cells[i]]));
  return { ...data.compare.runs[i], params: group('params'), params_before: {}, metrics: group('metrics'), tags: group('tags'), code: group('code'), environment: group('environment'), stats: data.stats[id] };
}
