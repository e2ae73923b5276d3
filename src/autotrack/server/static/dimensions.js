// A column as an axis of a plot: where each run stands on it (0 … 1) and what its marks say. Pure.

import { labels, logTicks, ticks } from './axes.js';
import { natural, short } from './format.js';

const LOG_FROM = 16; // greatest / least, from which an axis is logarithmic
const FEW = 13; // so many different values are the marks themselves

// {log, place(value), within(low, high), marks: [{at, text}], words}; null if the column has nothing to show.
export function dimension(column, rows) {
  if (!column) return null;
  if (column.words) return ofWords(column, rows);
  const seen = new Set();
  let a = Infinity, b = -Infinity;
  for (const row of rows) {
    const v = column.values[row];
    if (v === null || !Number.isFinite(v)) continue;
    if (v < a) a = v;
    if (v > b) b = v;
    if (seen.size <= FEW) seen.add(v);
  }
  if (!(a <= b)) return null;
  const log = a > 0 && b / a >= LOG_FROM, f = log ? Math.log : v => v, low = f(a), high = f(b), place = v => (high > low ? (f(v) - low) / (high - low) : .5);
  const values = seen.size <= FEW ? [...seen].sort((p, q) => p - q) : log ? logTicks(a, b, 8) : ticks(a, b, 6), texts = seen.size <= FEW ? values.map(short) : log ? values.map(short) : labels(values);
  const within = (from, to) => { // the least and the greatest value that lie there; as floats of 32 bits, as they are drawn and kept
    const there = [];
    for (const row of rows) { const v = column.values[row], t = Math.fround(place(v)); if (v !== null && t >= from && t <= to) there.push(v); }
    return [there.reduce((p, q) => Math.min(p, q), b), there.reduce((p, q) => Math.max(p, q), a)];
  };
  return {
    log, place, words: null, within,
    at: row => { const v = column.values[row]; return v === null || !Number.isFinite(v) ? NaN : place(v); },
    marks: spread(values.map((v, i) => ({ at: place(v), text: texts[i] }))),
  };
}

function ofWords(column, rows) {
  const used = new Set();
  for (const row of rows) if (column.codes[row] >= 0) used.add(column.codes[row]);
  if (!used.size) return null;
  const codes = [...used].sort((p, q) => natural(column.words[p], column.words[q])), place = new Map(codes.map((code, i) => [code, codes.length > 1 ? i / (codes.length - 1) : .5]));
  return {
    log: false, words: codes.map(code => column.words[code]),
    at: row => (column.codes[row] < 0 ? NaN : place.get(column.codes[row])),
    marks: spread(codes.map(code => ({ at: place.get(code), text: column.words[code] }))),
  };
}

// Of columns ({name, column}) the first that half of the rows have or more; if none is so common, those that most of them have. At most `most`.
export function common(columns, rows, most) {
  const has = ({ words, codes, values }, row) => (words ? codes[row] >= 0 : Number.isFinite(values[row]));
  const counted = columns.map(({ name, column }) => ({ name, n: rows.reduce((n, row) => n + has(column, row), 0) })), half = rows.length / 2;
  const often = counted.filter(({ n }) => n >= half), some = often.length ? often : counted.filter(({ n }) => n).sort((a, b) => b.n - a.n);
  return some.slice(0, most).map(({ name }) => name);
}

// Marks that would lie on each other are left out.
function spread(marks) {
  const out = [];
  for (const m of marks.sort((p, q) => p.at - q.at)) if (!out.length || m.at - out[out.length - 1].at > .035) out.push(m);
  return out;
}

// What a brush from `low` to `high` (0 … 1) keeps, and that is something, as a clause of a query about `field`: no value between two runs is named.
export function clause(dim, field, word, low, high) {
  if (dim.words) {
    const n = dim.words.length, kept = dim.words.filter((_, i) => { const at = n > 1 ? i / (n - 1) : .5; return at >= low - 1e-9 && at <= high + 1e-9; });
    const parts = [kept.length === 1 ? `${field} = ${word(kept[0])}` : `${field} in (${kept.map(word).join(', ')})`];
    if (kept.includes('None')) parts.push(`${field} is null`);
    if (kept.includes('NaN')) parts.push(`${field} = nan`);
    return parts.length > 1 ? `(${parts.join(' or ')})` : parts[0];
  }
  return `${field} between ${dim.within(low, high).join(' and ')}`;
}
