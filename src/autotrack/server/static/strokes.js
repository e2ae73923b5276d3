// Draws axes, bands, lines and marks of one chart on a canvas, as view.js laid them out.

import { ema, usualSpread } from './curves.js';
import { FEW, outliers } from './view.js';

export function axes(g, v, ink) {
  g.font = '10.5px ' + ink.font;
  g.fillStyle = ink.soft;
  g.strokeStyle = ink.grid;
  g.lineWidth = 1;
  g.setLineDash([]);
  g.textAlign = 'right';
  g.textBaseline = 'middle';
  g.beginPath();
  v.ys.forEach((y, i) => {
    const at = Math.round(v.py(y)) + .5;
    g.moveTo(v.pad.l, at);
    g.lineTo(v.w - v.pad.r, at);
    g.fillText(v.texts[i], v.pad.l - 6, at);
  });
  g.stroke();
  g.textAlign = 'center';
  g.textBaseline = 'top';
  let free = -Infinity;
  v.xs.forEach((x, i) => {
    const half = g.measureText(v.xTexts[i]).width / 2, at = Math.min(v.w - half - 2, Math.max(half, v.px(x)));
    if (at - half < free) return;
    g.fillText(v.xTexts[i], at, v.base + 7);
    free = at + half + 8;
  });
  g.strokeStyle = ink.line;
  g.beginPath();
  g.moveTo(v.pad.l, v.base + .5);
  g.lineTo(v.w - v.pad.r, v.base + .5);
  g.stroke();
}

export function clip(g, v) {
  g.beginPath();
  g.rect(v.pad.l, 0, v.width, v.base + 1);
  g.clip();
}

export function curves(g, v, series, tau, ink) {
  g.save();
  clip(g, v);
  g.lineJoin = 'bevel';
  const few = series.length <= FEW, bands = series.filter(s => !s.flat), filled = bands.length <= FEW || bands.every(s => s.group);
  for (const s of bands) {
    g.fillStyle = g.strokeStyle = s.color;
    if (filled) fill(g, v, s);
    if (!s.group) spikes(g, v, s);
  }
  if (tau && few) for (const s of series) if (s.flat) { g.globalAlpha = .3; line(g, v, s, s.y, 1); }
  g.globalAlpha = few ? 1 : series.length > 60 ? .7 : .85;
  for (const s of series) line(g, v, s, s.group ? s.y : ema(s, tau), few ? 1.6 : 1);
  g.globalAlpha = .6;
  for (const s of series) strays(g, v, s, tau, few);
  g.globalAlpha = 1;
  g.fillStyle = ink.bad;
  for (const s of series) for (const x of s.odd || []) triangle(g, v.px(x), v.base);
  g.restore();
}

// Least to most of each bucket.
function fill(g, v, s) {
  g.globalAlpha = s.group ? .16 : .18;
  g.beginPath();
  for (let i = s.i; i < s.j; i++) g.lineTo(v.px(s.x[i]), v.py(s.hi[i]));
  for (let i = s.j - 1; i >= s.i; i--) g.lineTo(v.px(s.x[i]), v.py(s.lo[i]));
  g.fill();
}

// A bucket four times as wide as the median one holds something that its mean hides: a stroke of its own, however many runs are drawn.
function spikes(g, v, s) {
  const usual = usualSpread(s);
  g.globalAlpha = .7;
  g.lineWidth = 1;
  g.setLineDash([]);
  g.beginPath();
  for (let i = s.i; i < s.j; i++) {
    if (!(s.hi[i] - s.lo[i] > 4 * usual)) continue;
    const x = v.px(s.x[i]);
    g.moveTo(x, v.py(s.lo[i]));
    g.lineTo(x, v.py(s.hi[i]));
  }
  g.stroke();
}

function strays(g, v, s, tau, few) {
  const out = outliers(s, tau, few);
  if (!out.length) return;
  const y = ema(s, tau);
  g.strokeStyle = s.color;
  g.lineWidth = 1;
  g.setLineDash([]);
  g.beginPath();
  for (const i of out) {
    const x = v.px(s.x[i]);
    g.moveTo(x, v.py(y[i]));
    g.lineTo(x, v.py(s.y[i]));
  }
  g.stroke();
}

export function line(g, v, s, y, width) {
  g.strokeStyle = s.color;
  g.lineWidth = width;
  g.setLineDash(s.dash || []);
  const { x } = s, sx = v.width / (v.b - v.a), ox = v.pad.l - v.a * sx, sy = v.height / (v.d - v.c), oy = v.base + v.c * sy, log = v.log;
  let alone = -1, down = false;
  g.beginPath();
  for (let i = s.i; i < s.j; i++) {
    const value = y[i];
    if (value !== value) { // a gap is a gap; a point between two gaps, or again and again the same one, is a dot
      if (alone >= 0) dot(g, v, x[alone], y[alone]);
      down = false;
      alone = -1;
      continue;
    }
    const px = x[i] * sx + ox, py = log ? v.py(value) : oy - value * sy;
    if (down) { g.lineTo(px, py); if (alone >= 0 && (x[i] !== x[alone] || value !== y[alone])) alone = -1; } else { g.moveTo(px, py); alone = i; down = true; }
  }
  if (alone >= 0) dot(g, v, x[alone], y[alone]);
  g.stroke();
}

function dot(g, v, x, y) {
  g.moveTo(v.px(x) + 1.2, v.py(y));
  g.arc(v.px(x), v.py(y), 1.2, 0, 7);
}

// Where a value was NaN or infinite.
function triangle(g, x, base) {
  g.beginPath();
  g.moveTo(x - 4.5, base);
  g.lineTo(x + 4.5, base);
  g.lineTo(x, base - 8);
  g.fill();
}
