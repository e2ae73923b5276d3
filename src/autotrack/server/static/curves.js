// Arithmetic of curves. A curve: {run, key, x, y, lo, hi, n, flat, shift, odd}, columns of doubles of which the first `n` count; `flat`: every
// point is one value (lo and hi are y); else a bucket of steps: mean, least, most. `odd`: where values were NaN or infinite.

export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true), head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = Math.ceil((4 + length) / 8) * 8;
  const take = n => { const a = new Float64Array(buffer, at, n); at += 8 * n; return a; };
  for (const s of head.series) {
    s.x = take(s.n);
    s.y = take(s.n);
    s.lo = s.flat ? s.y : take(s.n);
    s.hi = s.flat ? s.y : take(s.n);
    s.odd ||= [];
    s.ordered = ascends(s.x, s.n);
  }
  return head;
}

function ascends(x, n) {
  for (let i = 1; i < n; i++) if (!(x[i] >= x[i - 1])) return false;
  return true;
}

// The first index whose x is at least v.
export function left(x, n, v) {
  let a = 0, b = n;
  while (a < b) { const m = (a + b) >> 1; if (x[m] < v) a = m + 1; else b = m; }
  return a;
}

// The index nearest to v; -1 of an empty curve.
export function nearest(s, v) {
  if (!s.n) return -1;
  if (s.ordered === false) {
    let best = 0;
    for (let i = 1; i < s.n; i++) if (Math.abs(s.x[i] - v) < Math.abs(s.x[best] - v)) best = i;
    return best;
  }
  const i = left(s.x, s.n, v);
  return i && (i === s.n || v - s.x[i - 1] < s.x[i] - v) ? i - 1 : i;
}

// The time constant of smoothing, in units of x: a share of the whole range, never of what is shown, so zooming changes no curve.
export const constant = (smooth, whole) => (smooth > 0 && whole > 0 ? whole * .1 * smooth ** 3 : 0);

// Exponential mean with time constant tau (units of x), corrected for its start as in Adam (Kingma and Ba, 2015). Kept until the curve grows.
export function ema(s, tau) {
  if (!tau) return s.y;
  if (s.smoothTau === tau && s.smoothN === s.n) return s.smooth;
  const out = s.smooth && s.smooth.length >= s.y.length ? s.smooth : new Float64Array(s.y.length);
  let sum = 0, weight = 0;
  for (let i = 0; i < s.n; i++) {
    const dx = i ? Math.abs(s.x[i] - s.x[i - 1]) : s.n > 1 ? Math.abs(s.x[1] - s.x[0]) : 1, keep = Math.exp(-(dx || 1e-9) / tau);
    if (Number.isNaN(s.y[i])) { out[i] = NaN; continue; } // a gap stays a gap
    sum = sum * keep + s.y[i] * (1 - keep);
    weight = weight * keep + 1 - keep;
    out[i] = sum / weight;
  }
  s.smoothTau = tau;
  s.smoothN = s.n;
  s.smooth = out;
  return out;
}

// How far apart least and most of a bucket usually are: what stands far out of that is drawn as a stroke of its own.
export function usualSpread(s) {
  if (s.spreadN === s.n) return s.spread;
  const all = [];
  for (let i = 0; i < s.n; i++) { const d = s.hi[i] - s.lo[i]; if (d >= 0) all.push(d); }
  all.sort((p, q) => p - q);
  s.spreadN = s.n;
  s.spread = all[all.length >> 1] || 0;
  return s.spread;
}

// A live point at `step`, drawn at `x`: appended, put in the place of the same step, or folded into the last bucket. False if the curve must be
// asked for again: the point lies in the past, or the bucket of the last point is not known (`x` is no step).
export function push(s, step, x, v) {
  const width = 2 ** (s.shift || 0), last = s.n - 1;
  if (s.n && !(x >= s.x[last])) return false;
  if (s.shift && x !== step) return false;
  s.smoothTau = undefined;
  if (v === null || !Number.isFinite(v)) {
    s.odd = [...s.odd, x];
    s.odds = (s.odds || 0) + 1;
    if (s.shift) return true;
    v = NaN;
  }
  if (s.n && (s.shift ? Math.floor(step / width) === Math.floor(s.x[last] / width) : x === s.x[last])) {
    if (s.flat) { s.y[last] = v; s.lo = s.hi = s.y; return true; }
    s.inLast = (s.inLast || Math.min(width, s.x[last] % width + 1)) + 1;
    s.x[last] = x;
    s.y[last] += (v - s.y[last]) / s.inLast;
    s.lo[last] = Math.min(s.lo[last], v);
    s.hi[last] = Math.max(s.hi[last], v);
    s.spreadN = -1;
    return true;
  }
  if (s.n === s.x.length) for (const name of s.flat ? ['x', 'y'] : ['x', 'y', 'lo', 'hi']) s[name] = longer(s[name]);
  s.x[s.n] = x;
  s.y[s.n] = v;
  if (s.flat) s.lo = s.hi = s.y;
  else { s.lo[s.n] = s.hi[s.n] = v; s.inLast = 1; }
  s.n++;
  return true;
}

const longer = column => { const more = new Float64Array(Math.max(64, column.length * 2)); more.set(column); return more; };

// The mean, least and most of many curves where they are; on a grid of `points` places, so that runs of unlike steps can be put together.
export function band(curves, points = 300) {
  const some = curves.filter(s => s.n), a = Math.min(...some.map(s => s.x[0])), b = Math.max(...some.map(s => s.x[s.n - 1])), n = b > a ? points : 1;
  const x = new Float64Array(n), y = new Float64Array(n), lo = new Float64Array(n), hi = new Float64Array(n);
  let kept = 0;
  for (let k = 0; k < n; k++) {
    const at = n > 1 ? a + (b - a) * k / (n - 1) : a;
    let sum = 0, members = 0, least = Infinity, most = -Infinity;
    for (const s of some) {
      const v = between(s, at);
      if (Number.isNaN(v)) continue;
      sum += v; members++;
      least = Math.min(least, v); most = Math.max(most, v);
    }
    if (!members) continue;
    x[kept] = at; y[kept] = sum / members; lo[kept] = least; hi[kept] = most;
    kept++;
  }
  return { x, y, lo, hi, n: kept, flat: false, members: some.length, odd: [...new Set(curves.flatMap(c => c.odd || []))], ordered: true, group: true };
}

// Between two points a curve is the line through them; outside it is nothing.
export function between(s, x) {
  const i = left(s.x, s.n, x);
  if (i < s.n && s.x[i] === x) return s.y[i];
  if (i === 0 || i === s.n) return NaN;
  const t = (x - s.x[i - 1]) / (s.x[i] - s.x[i - 1]);
  return s.y[i - 1] + (s.y[i] - s.y[i - 1]) * t;
}
