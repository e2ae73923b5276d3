// What part of the plane a chart shows, and where a value lies on it. Pure arithmetic: series in, ranges, marks and scale functions out.

import { labels, logLabels, logTicks, spanLabels, ticks, timeLabels, timeTicks } from './axes.js';
import { ema, left } from './curves.js';

const TOP = 8, BOTTOM = 21, RIGHT = 12, CHAR = 6.1, FAR = 8e307; // the distance of two ends has to be a number, too
export const FEW = 12; // so many series have their bands filled and their raw lines shown behind the smoothed ones

// options: {range: [a, b] | null, y: [c, d] | null, log, tau, kind: 'step' | 'time' | 'relative' | 'metric'}
export function look(series, options, w, h) {
  const [a, b] = across(series, options.range);
  for (const s of series) {
    if (s.ordered === false) { s.i = 0; s.j = s.n; continue; }
    s.i = Math.max(0, left(s.x, s.n, a) - 1);
    s.j = Math.min(s.n, left(s.x, s.n, b) + 2);
  }
  const [c, d] = held(options.y || upDown(series, a, b, options)), log = options.log && d > 0, low = log && c <= 0 ? Math.max(Number.MIN_VALUE, d / 1e6) : c;
  const ys = log ? logTicks(low, d, Math.max(3, h / 34)) : ticks(c, d, Math.max(2, h / 40)), texts = log ? logLabels(ys) : labels(ys);
  const pad = { l: Math.min(w * .3, Math.max(30, Math.max(0, ...texts.map(t => t.length)) * CHAR + 12)), r: RIGHT, t: TOP, b: BOTTOM };
  const width = w - pad.l - pad.r, height = h - pad.t - pad.b, base = h - pad.b, n = Math.max(2, Math.floor(width / 64));
  const clock = options.kind === 'time' ? -new Date(a * 1000).getTimezoneOffset() * 60 : 0, spans = options.kind === 'time' || (options.kind === 'relative' && b - a > 20);
  const xs = spans ? timeTicks(a, b, n, clock) : ticks(a, b, n).filter(v => options.kind !== 'step' || Number.isInteger(v));
  const xTexts = options.kind === 'time' ? timeLabels(xs) : options.kind === 'relative' ? spanLabels(xs) : labels(xs);
  const lc = log ? Math.log(low) : 0, ld = log ? Math.log(d) : 0;
  return {
    w, h, pad, width, height, base, a, b, c: low, d, log, ys, texts, xs, xTexts,
    px: x => pad.l + (x - a) / (b - a) * width,
    py: log ? y => base - (y <= low ? 0 : (Math.log(y) - lc) / (ld - lc)) * height : y => base - (y - low) / (d - low) * height,
    toX: px => a + (px - pad.l) / width * (b - a),
  };
}

const held = ([c, d]) => [Math.max(-FAR, Math.min(FAR / 2, c)), Math.min(FAR, Math.max(-FAR / 2, d))];

export function whole(series) {
  let a = Infinity, b = -Infinity;
  for (const s of series) {
    if (!s.n) { for (const x of s.odd || []) { a = Math.min(a, x); b = Math.max(b, x); } continue; }
    if (s.ordered === false) { for (let i = 0; i < s.n; i++) { a = Math.min(a, s.x[i]); b = Math.max(b, s.x[i]); } continue; }
    a = Math.min(a, s.x[0]);
    b = Math.max(b, s.x[s.n - 1]);
  }
  return [a, b];
}

function across(series, range) {
  let [a, b] = range || whole(series);
  if (!(a <= b)) return [0, 1];
  if (a === b) { const half = Math.max(.5, Math.abs(a) * 1e-3); a -= half; b += half; }
  return [a, b];
}

function upDown(series, a, b, { log, tau }) {
  let c = Infinity, d = -Infinity;
  const raw = !tau || series.length <= FEW;
  const see = v => { if (Number.isFinite(v) && (!log || v > 0)) { if (v < c) c = v; if (v > d) d = v; } };
  for (const s of series) {
    const y = s.group ? s.y : ema(s, tau);
    for (let i = s.i; i < s.j; i++) {
      if (s.x[i] < a || s.x[i] > b) continue; // what lies outside is drawn to, not scaled to
      see(y[i]);
      if (!s.flat || raw) { see(s.lo[i]); see(s.hi[i]); }
    }
    for (const o of outliers(s, tau, raw)) if (s.x[o] >= a && s.x[o] <= b) see(s.y[o]);
  }
  if (!(d >= c)) return log ? [.1, 1] : [0, 1];
  if (log) return d / c < 1 + 1e-12 ? [c / 2, d * 2] : [c * (c ** .03 / d ** .03), d * (d ** .03 / c ** .03)];
  if (d - c <= 1e-12 * Math.max(Math.abs(c), Math.abs(d))) { const half = Math.abs(c) * .1 || .5; return [c - half, d + half]; } // flat, but for rounding
  const margin = (d - c) * .05;
  return [c - margin, d + margin];
}

// Where many smoothed lines are drawn without their raw ones: the points that stand far (8 times the median) off the smoothed line. Each gets a stroke.
export function outliers(s, tau, raw) {
  if (!s.flat || !tau || raw || s.group) return [];
  if (s.outTau === tau && s.outN === s.n) return s.out;
  const y = ema(s, tau), away = new Float64Array(s.n), out = [];
  for (let i = 0; i < s.n; i++) away[i] = Math.abs(s.y[i] - y[i]);
  const usual = away.filter(v => v >= 0).sort()[s.n >> 1] || 0;
  for (let i = 0; i < s.n; i++) if (away[i] > 8 * usual && away[i] > 0) out.push(i);
  s.outTau = tau;
  s.outN = s.n;
  s.out = out.length > s.n / 20 ? [] : out; // steps and plateaus, not spikes
  return s.out;
}
