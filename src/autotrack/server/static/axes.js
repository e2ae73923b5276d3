// Where the marks of an axis stand and what they say. Labels have the digits that their distance needs, so no two are alike.

import { short } from './format.js';

// Steps of 1, 2 or 5 times a power of ten; at most some `n` of them.
export function ticks(a, b, n) {
  const raw = (b - a) / Math.max(1, n), power = 10 ** Math.floor(Math.log10(raw)), k = raw / power;
  const step = (k <= 1 ? 1 : k <= 2 ? 2 : k <= 5 ? 5 : 10) * power, out = [];
  if (!(step > 0) || !Number.isFinite(step)) return [];
  for (let i = Math.ceil(a / step - 1e-9); i * step <= b + step * 1e-9; i++) {
    const v = i * step;
    if (out.length && v === out[out.length - 1]) break; // finer than a float can tell
    out.push(+v.toPrecision(15));
  }
  return out;
}

export function logTicks(a, b, n = 7) {
  const low = Math.floor(Math.log10(a)), high = Math.ceil(Math.log10(b)), out = [];
  for (const factors of [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1]]) { // the finest that fits
    out.length = 0;
    for (let d = low; d <= high; d++) for (const m of factors) {
      const v = +(m * 10 ** d).toPrecision(6);
      if (v >= a * .999 && v <= b * 1.001) out.push(v);
    }
    if (out.length <= n) break;
  }
  if (out.length < 2) return ticks(a, b, n);
  const every = Math.ceil(out.length / n);
  return out.filter((_, i) => i % every === 0);
}

// All labels of an axis together: one unit, one number of decimals; a far-away start is written once and the rest as what is added to it.
export function labels(values) {
  if (values.length < 2) return values.map(short);
  const gap = Math.min(...values.slice(1).map((v, i) => Math.abs(v - values[i]))), most = Math.max(...values.map(Math.abs));
  if (!(gap > 0)) return values.map(short);
  if (most / gap > 1e5) return values.map((v, i) => (i ? '+' + labelled(v - values[0], gap, values[values.length - 1] - values[0]) : far(v)));
  return values.map(v => labelled(v, gap, most));
}

const far = v => (Number.isInteger(v) && Math.abs(v) >= 1e4 ? minus(v.toLocaleString('en')) : minus(String(+v.toPrecision(12))));

function labelled(v, gap, most) {
  if (v === 0) return '0';
  if (most >= 1e15 || most < 1e-3) {
    const power = Math.floor(Math.log10(most) + 1e-9);
    return minus(fixed(v / 10 ** power, gap / 10 ** power)) + 'e' + minus(String(power));
  }
  for (const [unit, name] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
    if (most >= unit * (name === 'k' ? 10 : 1)) return minus(fixed(v / unit, gap / unit)) + name;
  }
  return minus(fixed(v, gap));
}

function fixed(v, gap) {
  for (let digits = 0; digits < 15; digits++) {
    const unit = 10 ** -digits;
    if (Math.abs(gap / unit - Math.round(gap / unit)) < 1e-6) return v.toFixed(digits);
  }
  return String(+v.toPrecision(12));
}

const minus = text => text.replace(/^-/, '−');

// Logarithmic marks are far apart: each says itself.
export const logLabels = values => (values.length > 1 && values[values.length - 1] / values[0] >= 4 ? values.map(short) : labels(values));

const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000];

// Of times: on whole seconds, minutes, hours and days of the reader's clock. `offset` is what to add to UTC, in seconds.
export function timeTicks(a, b, n, offset = 0) {
  const step = SPANS.find(s => (b - a) / s <= n) || SPANS[SPANS.length - 1] * Math.ceil((b - a) / n / SPANS[SPANS.length - 1]), out = [];
  for (let v = Math.ceil((a + offset) / step) * step - offset; v <= b; v += step) out.push(v);
  return out;
}

export function timeLabels(values) {
  const step = values.length > 1 ? values[1] - values[0] : 60, two = n => String(n).padStart(2, '0');
  return values.map(v => {
    const d = new Date(v * 1000);
    if (step >= 86400) return `${d.getFullYear() === new Date().getFullYear() ? '' : d.getFullYear() + '-'}${two(d.getMonth() + 1)}-${two(d.getDate())}`;
    return `${two(d.getHours())}:${two(d.getMinutes())}${step < 60 ? ':' + two(d.getSeconds()) : ''}`;
  });
}

// Durations: seconds since the start.
export function spanLabels(values) {
  const most = Math.max(...values.map(Math.abs), 0), [unit, name] = most >= 172800 ? [86400, 'd'] : most >= 7200 ? [3600, 'h'] : most >= 120 ? [60, 'min'] : [1, 's'];
  return labels(values.map(v => v / unit)).map(text => text + ' ' + name);
}
