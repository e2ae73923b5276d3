// In place of api.js on a page that has no server: answers from the data that the page carries. Written by server/portable.py.

const data = JSON.parse(document.getElementById('data').textContent), { sections } = data.compare;
export const told = data;

const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;
const doubles = text => new Float64Array(bytes(text));
// What was kept as float32 has 7 digits: no more are shown or copied.
const singles = text => Float64Array.from(new Float32Array(bytes(text)), v => +v.toPrecision(7));

const cellsOf = (name, key) => (sections.find(s => s.name === name).rows.find(r => r.key === key) || { cells: [] }).cells;
const here = cell => !(cell && cell.absent);
const word = v => (v !== null && typeof v === 'object' ? JSON.stringify(v) : String(v));

// A column's name here -> {rows, values} or {rows, words, codes}. Of metrics: `last` from what runs compare by, the others from their statistics.
function column(name) {
  const dot = name.indexOf('.'), group = name.slice(0, dot), key = name.slice(dot + 1), of = /^(.*)@(last|min|max|mean|first|count)$/.exec(key), rows = [], values = [];
  const place = of ? ['count', 'last', '', 'first', '', 'min', 'max', 'mean'].indexOf(of[2]) : -1;
  const cells = of ? [] : cellsOf(group, key);
  data.compare.runs.forEach((run, i) => {
    const stats = of && data.stats[run.id][of[1]], value = of ? stats && stats[place] : cells[i];
    if (value === undefined || !here(value)) return;
    rows.push(run.number);
    values.push(value);
  });
  if (group === 'metrics' || values.every(v => typeof v === 'number')) return { rows, values };
  const words = [...new Set(values.map(word))];
  return { rows, words, codes: values.map(v => words.indexOf(word(v))) };
}

function curve(s) {
  if (s.lo) return s;
  const x = doubles(data.xs[s.x]), [y, lo, hi] = s.y.map(s.wide ? doubles : singles);
  return Object.assign(s, { x, y, lo: lo || y, hi: hi || y, ordered: true });
}

export const runs = async () => ({ cursor: '', runs: data.runs, ...data.names });
export const columns = async (_, names) => Object.fromEntries(names.map(name => [name, column(name)]));
export const search = async () => ({ rows: data.runs.number });
export const lost = async () => ({ rows: [] });
export const series = async ({ runs: ids, keys }) => ({ series: data.series.filter(s => ids.includes(s.run) && keys.includes(s.key)).map(curve), pending: 0 });
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
