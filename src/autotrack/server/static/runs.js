// The runs of the open experiment: loaded, asked for more columns, filtered, sorted, and merged with what comes live.

import * as api from './api.js';
import { join, list } from './address.js';
import { Columns } from './columns.js';
import { folded } from './folds.js';
import { natural } from './format.js';
import { hue, ramp, scale, slots, DASHES } from './palette.js';
import { shallow } from './panels.js';
import { at, batch, computed, dark, effect, online, recall, remember, say, signal, turn, untracked } from './state.js';

export let table = new Columns();
export const rev = signal(0); // grows whenever a column changed
export const ready = signal(false);
export const failed = signal(''); // why nothing could be loaded
export const hits = signal(null); // numbers of the runs that the query lets through; null: all
export const problem = signal(null); // {problem, at} of the query
export const facts = signal({ params: [], metrics: [], tags: [], varying: [], headline: [], curves: [] });
export const listeners = new Set(); // charts, run pages and home: called with each live change; `anew`: all may be another

let searched = ''; // the query that was asked last
let opened = null, stop = null, wanted = new Set(), pending = null, kept = new Map();

const inside = experiment => !opened || experiment === opened || experiment.startsWith(opened + '/');

// Loads an experiment (again: with the columns that are in use).
export async function open(experiment) {
  const same = opened === experiment, before = same ? [...table.columns.keys()] : [];
  opened = experiment;
  if (!same) ready.value = false;
  let got, early = {}, found = null;
  const q = at.q.peek(), needed = [...new Set([...before, ...list(at.sort.peek()).map(key => key.replace(/^-/, '')), at.color.peek(), at.band.peek()])].filter(name => name.includes('.'));
  try { // what order and filter need comes at the same time: nothing is drawn twice
    [got, early, found] = await Promise.all([api.runs(experiment), needed.length ? api.columns(experiment, needed) : {}, q.trim() ? api.search(experiment, q) : null]);
  } catch (error) {
    failed.value = error.message;
    online.value = 'gone';
    if (opened === experiment) setTimeout(() => opened === experiment && open(experiment), 3000);
    return;
  }
  if (opened !== experiment) return;
  const fresh = new Columns();
  silent = new Set();
  fresh.merge(unpacked(got.runs));
  for (const name in early) fresh.put(name, early[name]);
  table = fresh;
  kept = new Map(recall('slots.' + experiment, []));
  wanted = new Set();
  const first = [...got.headline.map(key => 'metrics.' + key), ...shallow(got.varying).slice(0, 12).map(key => 'params.' + key)];
  batch(() => {
    failed.value = '';
    searched = q;
    hits.value = found && found.rows ? new Set(found.rows) : null;
    problem.value = found && found.problem ? found : null;
    facts.value = named(got);
    ready.value = true;
    rev.value++;
  });
  for (const name of first) ask(name);
  if (stop) stop();
  stop = api.live(got.cursor, { state: s => { online.value = s; }, change: arrived, reset: () => open(opened) });
  if (same) for (const listener of listeners) listener({ runs: [], points: [], stale: [], anew: true });
}

const FIELDS = ['number', 'id', 'name', 'status', 'error', 'started', 'ended', 'parent', 'kind', 'fold', 'host', 'experiment', 'notes'];

function unpacked(runs) {
  const out = {};
  for (const field of FIELDS) if (runs[field]) out[field] = runs[field].words ? runs[field].codes.map(code => runs[field].words[code]) : runs[field];
  return out;
}

// Asks for a column that is not here yet; all that one frame wants go in one request.
export function ask(name) {
  if (!name.includes('.') || table.columns.has(name) || wanted.has(name)) return;
  wanted.add(name);
  if (!pending) { pending = []; setTimeout(fetchColumns, 8); }
  pending.push(name);
}

async function fetchColumns() {
  const names = pending, mine = table;
  pending = null;
  try {
    const got = await api.columns(opened, names);
    if (mine !== table) return;
    for (const name in got) table.put(name, got[name]);
    rev.value++;
  } catch (error) {
    for (const name of names) wanted.delete(name);
    say(`columns could not be read: ${error.message}`);
  }
}

export function column(name) {
  rev.value; // whoever asks is told of changes
  const have = table.get(name);
  if (!have && ready.peek()) ask(name);
  return have;
}

// Which of these series the program of one of the runs did not tell; they were concluded from what it did.
const CONCLUDED = 'autotrack.inferred';
export function inferred(rows, keys) {
  const told = facts.value.tags.includes(CONCLUDED) && column('tags.' + CONCLUDED);
  return told ? keys.filter(key => rows.some(row => `, ${table.value('tags.' + CONCLUDED, row)}, `.includes(`, ${key}, `))).join(', ') : '';
}

// Filter and order.

const sortKeys = computed(() => list(at.sort.value));
export const order = computed(() => {
  rev.value;
  for (const key of sortKeys.value) column(key.replace(/^-/, ''));
  return table.order(hits.value, sortKeys.value);
});
// Repeated fits of one line, and the fits inside a search, lie folded under their newest or their search; unless somebody sorts or filters.
export const folds = computed(() => (at.fold.value === '' ? at.sort.value === '-created' && !at.q.value : at.fold.value === '1'));
export const foldable = computed(() => { rev.value; return order.value.some(row => table.parent[row] || table.fold[row]); });
export const unfolded = signal(new Set());
export const shown = computed(() => {
  const rows = order.value;
  if (!folds.value) return rows.map(row => ({ row, more: 0, inside: false }));
  return folded(rows, table, unfolded.value);
});
export function unfold(id) {
  const next = new Set(unfolded.value);
  if (!next.delete(id)) next.add(id);
  unfolded.value = next;
}

// `hide` holds ids; behind a `!` all others are meant.
export const hidden = computed(() => {
  const ids = new Set(list(at.hide.value)), alone = ids.delete('!');
  return { alone, ids, has: id => ids.has(id) !== alone };
});
let drawnOf = null, drawnRows = []; // the same rows are the same array: charts ask for nothing when only values changed
export const drawn = computed(() => {
  const gone = hidden.value, most = +at.draw.value, rows = [];
  for (const { row } of shown.value) {
    if (rows.length >= most) break;
    if (!gone.has(table.id[row])) rows.push(row);
  }
  if (rows.length === drawnRows.length && table === drawnOf && rows.every((row, i) => row === drawnRows[i])) return drawnRows;
  drawnOf = table;
  drawnRows = rows;
  return rows;
});

let asked = 0, again = 0;
function search() {
  const text = at.q.peek(), mine = ++asked;
  searched = text;
  if (!text.trim()) { batch(() => { hits.value = null; problem.value = null; }); return; }
  api.search(opened, text).then(got => {
    if (mine !== asked) return;
    batch(() => { problem.value = got.problem ? got : null; if (got.rows) hits.value = new Set(got.rows); });
  }).catch(error => { if (mine === asked) problem.value = { problem: error.message, at: -1 }; });
}
effect(() => { const q = at.q.value; if (ready.value && q !== searched) untracked(search); });
const searchSoon = () => { again ||= setTimeout(() => { again = 0; search(); }, 700); };

// What comes live: runs are merged as rows, last values into columns, points go to the charts.
function arrived(change) {
  let changed = false, fresh = false;
  const before = facts.peek(), names = { curves: new Set(before.curves), params: new Set(before.params), metrics: new Set(before.metrics), tags: new Set(before.tags) };
  for (const brief of change.runs) {
    if (!inside(brief.experiment)) continue;
    const known = table.byId.get(brief.id);
    if (brief.deleted) { if (known !== undefined) { table.remove([known]); changed = true; } continue; }
    fresh = table.merge(Object.fromEntries(FIELDS.map(field => [field, [brief[field]]]))) || fresh;
    if (table.gone) table.gone.delete(table.byId.get(brief.id));
    const row = table.byId.get(brief.id);
    for (const group of ['params', 'tags', 'metrics']) for (const [key, value] of Object.entries(brief[group] || {})) {
      names[group].add(key);
      table.set(`${group}.${key}`, row, group === 'metrics' && value === null ? NaN : flat(value));
    }
    changed = true;
  }
  for (const [id, key, , , , stats] of change.points) changed = summed(id, key, stats, names) || changed;
  for (const [id, key, stats] of change.stale) changed = summed(id, key, stats, names) || changed;
  batch(() => {
    const grown = Object.keys(names).some(group => names[group].size !== before[group].length);
    if (grown) facts.value = { ...before, ...Object.fromEntries(Object.entries(names).map(([group, keys]) => [group, [...keys].sort(natural)])) };
    if (changed) rev.value++;
    if (fresh || grown) learnSoon();
  });
  for (const listener of listeners) listener(change);
  if (changed && at.q.peek().trim()) searchSoon();
}

// A run falls silent without a word, and may speak again: while some run, or were found silent, the store is asked now and then which are lost.
let silent = new Set();
setInterval(async () => {
  if (document.hidden || !(running.peek() || silent.size)) return;
  const mine = table, got = await api.lost(opened).catch(() => null), changed = [];
  if (!got || mine !== table) return;
  const lost = new Set(got.rows.map(number => table.byNumber.get(number)));
  const turn = (row, from, to) => { if (table.status[row] === from) { table.status[row] = to; changed.push({ id: table.id[row] }); } };
  for (const row of silent) if (!lost.has(row)) turn(row, 'lost', 'running');
  silent = new Set([...lost].filter(row => silent.has(row) || table.status[row] === 'running'));
  for (const row of lost) turn(row, 'running', 'lost');
  if (!changed.length) return;
  rev.value++;
  for (const listener of listeners) listener({ runs: changed, points: [], stale: [] });
}, 60_000);

// What new runs change in the names: which params vary now, which metrics say most. The server knows; the rows stay as they are.
let learning = 0;
function learnSoon() {
  learning ||= setTimeout(async () => {
    learning = 0;
    const mine = table, got = await api.runs(opened).catch(() => null);
    if (got && mine === table) facts.value = named(got);
  }, table.size > 2000 ? 20_000 : 2000);
}
const named = ({ headline, ...names }) => ({ headline, ...Object.fromEntries(['params', 'metrics', 'tags', 'varying', 'curves'].map(group => [group, [...names[group]].sort(natural)])) });

const flat = value => (value === null ? 'None' : typeof value === 'object' ? JSON.stringify(value) : typeof value === 'boolean' ? String(value) : value);
const STATS = [['last', 1], ['min', 5], ['max', 6], ['mean', 7], ['first', 3], ['count', 0]];

function summed(id, key, stats, names) {
  const row = table.byId.get(id);
  if (row === undefined) return false;
  names.metrics.add(key);
  names.curves.add(key);
  let changed = table.set('metrics.' + key, row, stats[1] ?? NaN);
  for (const [name, i] of STATS) changed = table.set(`metrics.${key}@${name}`, row, i === 1 || i === 3 ? stats[i] ?? NaN : stats[i]) || changed;
  return changed;
}

// Colours.

// The colour and dash of a row's curve: its slot, or its place on the ramp of the param or metric chosen as colour.
export const paint = computed(() => {
  const night = dark.value, by = at.color.value, rows = drawn.value;
  rev.value;
  if (by !== 'run') {
    const given = column(by), range = table.extent(by, rows);
    if (given && given.values && range) { const f = scale(range); return row => ({ color: ramp(f(given.values[row]), night), dash: [] }); }
    if (given && given.words) return row => ({ color: given.codes[row] < 0 ? ramp(NaN, night) : hue(given.codes[row], night), dash: [] });
  }
  const size = kept.size, ticked = [...picked.value].map(byId).filter(row => row !== undefined), slot = slots([...new Set([...rows, ...ticked])].map(row => table.number[row]), kept);
  if (kept.size !== size) remember('slots.' + opened, [...kept].slice(-500));
  const own = table.columns.get('tags.autotrack.color');
  return row => {
    const mine = own && own.words && own.codes[row] >= 0 ? own.words[own.codes[row]] : '';
    const n = slot.get(table.number[row]) ?? table.number[row] % 8;
    return { color: /^#[0-9a-f]{6}$/i.test(mine) ? mine : hue(n, night), dash: rows.length <= 16 ? DASHES[Math.floor(n / 8) % DASHES.length] : [] };
  };
});

// Ticked runs, kept in the address; those that are not there any more count for nothing.

export const picked = computed(() => { rev.value; return new Set(list(at.pick.value).filter(id => byId(id) !== undefined && !(table.gone && table.gone.has(byId(id))))); });
export function tick(...ids) {
  const now = new Set(picked.peek());
  for (const id of ids) if (!now.delete(id)) now.add(id);
  turn({ pick: join(now) });
}
export const byId = id => table.byId.get(id);
export const running = computed(() => { rev.value; return table.status.filter((s, row) => s === 'running' && !(table.gone && table.gone.has(row))).length; });
