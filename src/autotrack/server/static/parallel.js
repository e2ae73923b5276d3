// Parallel coordinates on two canvases: all runs faint below, drawn once; those that the brushes keep above, in slices so that a drag never waits.

import { ramp } from './palette.js';

const PAD = { l: 64, r: 74, t: 44, b: 22 }, MARK = 66, LEFT = 160, SMALL = '10.5px '; // the width of a mark, at most, and of the first axis' side
const SHADES = 16, FAINT = 1500, PATH = 64, SLOW_MS = 24;
export const spent = { frames: [], full: [] }; // read by benchmarks

export class Parallel {
  // on: {brushed(kept, of), hover(row or -1, event), pick(row)}
  constructor(box, on) {
    this.box = box;
    this.on = on;
    this.brush = new Map();
    for (const name of ['low', 'mid', 'top']) {
      this[name] = document.createElement('canvas');
      this[name].className = name;
      box.append(this[name]);
    }
    this.top.addEventListener('pointerdown', e => this.down(e));
    this.top.addEventListener('pointermove', e => this.move(e));
    this.top.addEventListener('pointerup', () => this.up());
    this.top.addEventListener('pointerleave', () => { if (!this.drag) this.on.hover(-1); });
    this.top.addEventListener('dblclick', () => this.clear());
    this.watch = new ResizeObserver(() => this.layout());
    this.watch.observe(box);
  }

  close() { this.watch.disconnect(); cancelAnimationFrame(this.job); cancelAnimationFrame(this.due); }

  // dims: [{name, title, ...dimension}]; rows: of the table. The last axis gives the colour.
  set(dims, rows, dark) {
    for (const name of [...this.brush.keys()]) if (!dims.some(d => d.name === name)) this.brush.delete(name);
    Object.assign(this, { dims, rows, dark });
    this.layout();
  }

  clear() { this.brush.clear(); this.draw(); }

  layout() {
    const { width, height } = this.box.getBoundingClientRect(), scale = devicePixelRatio || 1;
    if (!this.dims || width < 120 || height < 80) return;
    this.w = width;
    this.h = height;
    for (const name of ['low', 'mid', 'top']) {
      this[name].width = Math.round(width * scale);
      this[name].height = Math.round(height * scale);
      this[name].getContext('2d').setTransform(scale, 0, 0, scale, 0, 0);
    }
    this.left = this.dims.length ? Math.min(LEFT, width / 3, Math.max(PAD.l, this.widest(this.dims[0]) + 11)) : PAD.l;
    const n = this.dims.length, span = height - PAD.t - PAD.b;
    this.xs = this.dims.map((_, j) => this.left + (n > 1 ? j / (n - 1) : .5) * (width - this.left - PAD.r));
    this.y = t => height - PAD.b - t * span;
    this.t = y => (height - PAD.b - y) / span;
    this.ts = this.dims.map(d => Float32Array.from(this.rows, row => d.at(row)));
    const last = this.ts[n - 1] || new Float32Array(0);
    this.shade = Uint8Array.from(last, t => (t >= 0 ? Math.min(SHADES - 1, Math.floor(t * SHADES)) : 255));
    this.shuffle();
    this.faint();
    this.draw();
  }

  // The first axis has room for its marks.
  widest({ marks }) {
    const g = this.top.getContext('2d');
    g.font = SMALL + getComputedStyle(this.box).fontFamily;
    return Math.max(0, ...marks.map(m => g.measureText(m.text.slice(0, LEFT)).width));
  }

  // One fixed order in which any first part stands for the whole; the best tenth of the target comes last, so it lies on top.
  shuffle() {
    const n = this.rows.length, mix = Int32Array.from({ length: n }, (_, k) => k);
    let seed = 7;
    for (let k = n - 1; k > 0; k--) {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      const j = seed % (k + 1);
      [mix[k], mix[j]] = [mix[j], mix[k]];
    }
    const last = this.ts[this.ts.length - 1], better = k => (this.least ? last[k] <= .1 : last[k] >= .9);
    this.mix = last ? [...mix].sort((a, b) => better(a) - better(b)) : mix;
  }

  path(g, k) {
    let down = false;
    for (let j = 0; j < this.xs.length; j++) {
      const t = this.ts[j][k];
      if (t !== t) { down = false; continue; }
      if (down) g.lineTo(this.xs[j], this.y(t));
      else g.moveTo(this.xs[j], this.y(t));
      down = true;
    }
  }

  faint() {
    const g = this.low.getContext('2d'), css = getComputedStyle(this.box);
    g.clearRect(0, 0, this.w, this.h);
    g.strokeStyle = css.getPropertyValue('--line');
    g.lineWidth = 1;
    const most = Math.min(this.mix.length, FAINT);
    for (let m = 0; m < most; m += PATH) {
      g.beginPath();
      for (let i = m; i < Math.min(most, m + PATH); i++) this.path(g, this.mix[i]);
      g.stroke();
    }
  }

  keeps(k) {
    for (const [j, [a, b]] of this.limits) { const t = this.ts[j][k]; if (!(t >= a && t <= b)) return false; }
    return true;
  }

  draw() {
    if (!this.mix) return;
    cancelAnimationFrame(this.job);
    this.limits = [...this.brush].map(([name, limits]) => [this.dims.findIndex(d => d.name === name), limits]);
    const kept = this.mix.filter(k => this.keeps(k)), g = this.mid.getContext('2d'), began = performance.now(), alpha = thin(kept.length);
    this.kept = kept;
    this.on.brushed(this.brush.size ? kept.length : null);
    g.clearRect(0, 0, this.w, this.h);
    this.marks();
    let from = 0, lot = 400, before = 0; // canvas calls return before they are painted: the gap between frames is the clock
    const slice = now => {
      const t = performance.now();
      if (before) lot = now - before > SLOW_MS ? Math.max(100, lot >> 1) : Math.min(4000, lot + 300);
      before = now;
      this.strokes(g, kept, from, Math.min(kept.length, from + lot), alpha);
      from += lot;
      spent.frames.push(performance.now() - t);
      if (from < kept.length) this.job = requestAnimationFrame(slice);
      else spent.full.push(performance.now() - began);
    };
    this.job = requestAnimationFrame(slice);
  }

  strokes(g, kept, from, to, alpha) {
    const groups = new Map();
    for (let i = from; i < to; i++) { const s = this.shade[kept[i]]; if (!groups.has(s)) groups.set(s, []); groups.get(s).push(kept[i]); }
    g.globalAlpha = alpha;
    g.lineWidth = kept.length > 200 ? 1 : 1.4;
    for (const [shade, ks] of groups) {
      g.strokeStyle = ramp(shade === 255 ? NaN : shade / (SHADES - 1), this.dark);
      for (let o = 0; o < ks.length; o += PATH) {
        g.beginPath();
        for (const k of ks.slice(o, o + PATH)) this.path(g, k);
        g.stroke();
      }
    }
    g.globalAlpha = 1;
  }

  // For paper: all in the lowest layer, at once; a layer that is cleared while a browser prints comes out white and hides those below.
  print() {
    if (!this.mix) return;
    this.layout();
    cancelAnimationFrame(this.job);
    const g = this.low.getContext('2d');
    this.strokes(g, this.kept, 0, this.kept.length, thin(this.kept.length));
    this.write(g);
    this.mid.hidden = this.top.hidden = true;
  }

  unprint() {
    this.mid.hidden = this.top.hidden = false;
    this.layout();
  }

  marks() {
    const g = this.top.getContext('2d');
    g.clearRect(0, 0, this.w, this.h);
    this.write(g);
  }

  // Axes, names, brushes and the run under the pointer: a layer of its own.
  write(g) {
    const css = getComputedStyle(this.box), named = name => css.getPropertyValue('--' + name);
    if (this.hot >= 0) {
      g.strokeStyle = named('ink');
      g.lineWidth = 2.2;
      g.beginPath();
      this.path(g, this.hot);
      g.stroke();
    }
    const title = '600 11.5px ' + css.fontFamily, room = (this.w - this.left - PAD.r) / Math.max(1, this.dims.length - 1) - 12;
    g.font = title;
    const lines = this.dims.some(d => g.measureText(d.title).width > room) ? 2 : 1; // names too long for one line stand in two, in turn
    this.dims.forEach((d, j) => {
      const x = this.xs[j], lastAxis = j === this.dims.length - 1;
      g.strokeStyle = named('soft');
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(x, PAD.t);
      g.lineTo(x, this.h - PAD.b);
      g.stroke();
      g.textAlign = 'center';
      g.textBaseline = 'alphabetic';
      g.fillStyle = named('ink');
      g.font = title;
      const name = cut(g, d.title, lines * (room + 12) - 12), half = g.measureText(name).width / 2 + 4;
      g.fillText(name, Math.max(half, Math.min(this.w - half, x)), lines === 1 ? 22 : j % 2 ? 32 : 16);
      g.font = SMALL + css.fontFamily;
      g.textAlign = lastAxis ? 'left' : 'right';
      for (const m of d.marks) {
        const text = cut(g, m.text, j ? MARK : x - 11), w = g.measureText(text).width, y = this.y(m.at);
        g.fillStyle = named('paper');
        g.globalAlpha = .82;
        g.fillRect(lastAxis ? x + 5 : x - 9 - w, y - 7, w + 4, 14);
        g.globalAlpha = 1;
        g.fillStyle = named('soft');
        g.fillText(text, lastAxis ? x + 7 : x - 7, y + 3.5);
      }
      const limits = this.brush.get(d.name);
      if (!limits) return;
      g.fillStyle = g.strokeStyle = named('accent');
      const top = this.y(limits[1]), height = this.y(limits[0]) - top;
      g.globalAlpha = .25;
      g.fillRect(x - 9, top, 18, height);
      g.globalAlpha = 1;
      g.strokeRect(x - 9, top, 18, height);
    });
  }

  where(e) { const r = this.top.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; }

  down(e) {
    if (!this.dims || e.button) return;
    const [x, y] = this.where(e), j = this.xs.findIndex(at => Math.abs(at - x) < 22);
    if (j < 0) { if (this.hot >= 0) this.on.pick(this.rows[this.hot]); return; }
    this.top.setPointerCapture(e.pointerId);
    this.drag = { name: this.dims[j].name, from: this.t(y) };
  }

  move(e) {
    if (!this.xs) return;
    const [x, y] = this.where(e);
    if (this.drag) {
      const a = this.drag.from, b = this.t(y);
      this.brush.set(this.drag.name, [Math.max(-.02, Math.min(a, b)), Math.min(1.02, Math.max(a, b))]);
      this.due ||= requestAnimationFrame(() => { this.due = 0; this.draw(); });
      return;
    }
    this.due ||= requestAnimationFrame(() => { this.due = 0; this.find(x, y, e); });
  }

  up() {
    if (!this.drag) return;
    const [a, b] = this.brush.get(this.drag.name) || [0, 0];
    if (b - a < .01) this.brush.delete(this.drag.name); // a click on an axis lets go
    this.drag = null;
    this.draw();
  }

  // The kept run whose line passes nearest to the pointer.
  find(x, y, e) {
    const j = this.xs.findIndex((at, i) => i + 1 < this.xs.length && x >= at && x <= this.xs[i + 1]);
    let best = -1, near = 9;
    if (j >= 0) {
      const f = (x - this.xs[j]) / (this.xs[j + 1] - this.xs[j]);
      for (const k of this.kept) {
        const d = Math.abs(this.y(this.ts[j][k] + (this.ts[j + 1][k] - this.ts[j][k]) * f) - y);
        if (d < near) { near = d; best = k; }
      }
    }
    if (best === this.hot) return;
    this.hot = best;
    this.top.style.cursor = best >= 0 ? 'pointer' : this.xs.some(at => Math.abs(at - x) < 22) ? 'ns-resize' : '';
    this.on.hover(best < 0 ? -1 : this.rows[best], e);
    this.marks();
  }
}

const thin = n => (n > 3000 ? .3 : n > 500 ? .45 : n > 60 ? .7 : .9); // how opaque each of so many lines is

function cut(g, text, room) {
  if (text.length <= room && g.measureText(text).width <= room) return text; // no letter is narrower than a pixel
  let n = Math.min(text.length, Math.ceil(room));
  while (n > 3 && g.measureText('…' + text.slice(-n)).width > room) n--;
  return '…' + text.slice(-n);
}
