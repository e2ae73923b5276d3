// Numbers, times and sizes as text. What somebody typed is shown as typed; what was measured has four digits.

export function num(v) {
  if (v === null || v === undefined) return '';
  if (typeof v !== 'number') return String(v);
  if (Number.isNaN(v)) return 'NaN';
  if (!Number.isFinite(v)) return v > 0 ? '∞' : '−∞';
  const a = Math.abs(v);
  if (v === 0) return '0';
  if (Number.isInteger(v) && a < 1e6) return minus(String(v));
  if (a >= 1e6 || a < 1e-3) return minus(v.toExponential(2).replace('e+', 'e').replace(/\.?0+e/, 'e'));
  return minus(a >= 1e4 ? v.toFixed(0) : v.toPrecision(4));
}

// A parameter: every digit of it, text as it is.
export function typed(v) {
  if (v === undefined) return '';
  if (v === null) return 'None';
  if (typeof v === 'number') return minus(String(v));
  return typeof v === 'object' ? JSON.stringify(v) : String(v);
}

export const minus = text => text.replace(/^-/, '−').replace('e-', 'e−');

// For axes and small places: few characters, never wrong by more than its last digit.
export function short(v) {
  const a = Math.abs(v);
  if (!Number.isFinite(v)) return num(v);
  if (a >= 1e15) return minus(v.toExponential(1).replace('e+', 'e'));
  for (const [unit, name] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e4, 'k']]) {
    if (a >= unit) return minus(String(+(v / (name === 'k' ? 1e3 : unit)).toPrecision(3))) + name;
  }
  if (a && a < 1e-3) return minus(v.toExponential(1).replace('.0e', 'e'));
  return minus(String(+v.toPrecision(4)));
}

// Values as texts in their order: numbers by size, words as a person expects.
const words = new Intl.Collator('en', { numeric: true });
export const natural = (a, b) => a - b || words.compare(a, b);

export const count = n => n.toLocaleString('en');
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? '' : 's'}`;

export function span(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '';
  const s = Math.abs(seconds);
  if (s < 1) return Math.round(seconds * 1000) + ' ms';
  if (s < 10) return +seconds.toFixed(1) + ' s';
  if (s < 90) return Math.round(seconds) + ' s';
  if (s < 5400) return Math.round(seconds / 60) + ' min';
  if (s < 129600) return (seconds / 3600).toFixed(1) + ' h';
  return Math.round(seconds / 86400) + ' d';
}

export const took = (from, to = Date.now() / 1000) => span(Math.max(0, to - from)); // a clock may have been set back
export const ago = (time, now = Date.now() / 1000) => (now - time < 5 ? 'just now' : span(now - time) + ' ago');

export function moment(time) {
  const d = new Date(time * 1000), two = n => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export function bytes(n) {
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (n < 1000) return (unit === 'B' || n >= 100 ? Math.round(n) : n.toFixed(1)) + ' ' + unit;
    n /= 1000;
  }
  return n.toFixed(1) + ' TB';
}

// How far from the baseline, in percent of it.
export function delta(v, from) {
  if (typeof v !== 'number' || typeof from !== 'number' || !Number.isFinite(v) || !Number.isFinite(from) || from === 0) return '';
  const p = (v - from) / Math.abs(from) * 100, a = Math.abs(p);
  if (a >= 1000 && v / from > 0) return '×' + short(v / from);
  return (p > 0 ? '+' : p < 0 ? '−' : '±') + (a < 10 ? a.toFixed(1) : a < 1e6 ? a.toFixed(0) : short(a)) + ' %';
}

export const bare = column => column.replace(/^(params|metrics|tags)\./, '');
export const statusMark = { running: '●', finished: '', failed: '■', interrupted: '○', lost: '○' };
