// One chart on two canvases: the curves below, what follows the pointer above (so hovering redraws no curve). Knows no framework and no server.

import { ema, nearest } from './curves.js';
import { count, moment, num, span } from './format.js';
import * as strokes from './strokes.js';
import { Tip } from './tip.js';
import { look } from './view.js';

const NEAR_PX = 40, CLICK_PX = 5;
export const spent = { draws: 0, ms: 0, last: 0 }; // of all charts; read by benchmarks

export class Chart {
  // on: {cursor(x), hover(id), zoom(a, b) or zoom(null), pick(id, event), drawn(chart)}
  constructor(box, on) {
    this.box = box;
    this.on = on;
    this.series = [];
    this.options = { range: null, y: null, log: false, tau: 0, kind: 'step', xName: 'step' };
    this.hot = ''; // the run under this chart's pointer
    this.hotAll = ''; // the run under any pointer
    this.at = null; // x under any pointer
    this.low = canvas(box, 'low');
    this.top = canvas(box, 'top');
    this.top.tabIndex = 0;
    this.top.role = 'img';
    this.low.ariaHidden = 'true';
    this.tip = new Tip();
    this.listen();
    this.watch = new ResizeObserver(() => { this.size(); this.draw(); });
    this.watch.observe(box);
  }

  close() {
    this.watch.disconnect();
    cancelAnimationFrame(this.due);
    cancelAnimationFrame(this.dueTop);
    clearTimeout(this.picking);
    this.tip.close();
    this.closed = true;
  }

  size() {
    const { width, height } = this.box.getBoundingClientRect(), scale = devicePixelRatio || 1;
    this.w = width;
    this.h = height;
    for (const c of [this.low, this.top]) {
      c.width = Math.round(width * scale);
      c.height = Math.round(height * scale);
      c.getContext('2d').setTransform(scale, 0, 0, scale, 0, 0);
    }
  }

  set(series, options) {
    this.series = series;
    this.options = options;
    this.ask();
  }

  ask() { this.due ||= requestAnimationFrame(() => { this.due = 0; this.draw(); }); }

  draw() {
    if (this.closed || !this.w || this.w < 60 || this.h < 40) return;
    const began = performance.now(), g = this.low.getContext('2d'), css = getComputedStyle(this.box), named = name => css.getPropertyValue('--' + name);
    this.ink = { font: css.fontFamily, soft: named('soft'), grid: named('grid'), line: named('line'), bad: named('bad'), paper: named('paper'), accent: named('accent'), ink: named('ink') };
    this.view = look(this.series, this.options, this.w, this.h);
    g.clearRect(0, 0, this.w, this.h);
    g.globalAlpha = 1;
    strokes.axes(g, this.view, this.ink);
    strokes.curves(g, this.view, this.series, this.options.tau, this.ink);
    spent.last = performance.now() - began;
    spent.draws++;
    spent.ms += spent.last;
    this.over();
    if (this.on.drawn) this.on.drawn(this);
  }

  // What all charts show of a pointer that may be in another one.
  point(x, hot) {
    if (x === this.at && hot === this.hotAll) return;
    this.at = x;
    this.hotAll = hot;
    this.askOver();
  }

  askOver() { this.dueTop ||= requestAnimationFrame(() => { this.dueTop = 0; this.over(); }); }

  over() {
    const g = this.top.getContext('2d'), v = this.view;
    g.clearRect(0, 0, this.w, this.h);
    if (!v) return;
    const found = this.at === null || this.at < v.a || this.at > v.b ? [] : this.found(this.at), mine = this.mouse && this.inside(this.mouse);
    const best = mine && this.nearestTo(found, this.mouse);
    if (mine && best !== undefined) {
      const id = best && best.distance < NEAR_PX ? best.s.id : '';
      if (id !== this.hot) { this.hot = id; this.on.hover(id); }
    }
    let hot = mine ? this.hot : this.hotAll;
    if (!this.series.some(s => s.id === hot)) hot = ''; // a run that is not drawn here dims nothing
    if (hot) this.veil(g, v, hot);
    if (this.at !== null && this.at >= v.a && this.at <= v.b) this.crosshair(g, v, found, hot);
    if (this.from !== undefined && this.mouse) this.selection(g, v);
    if (!mine || !found.length || this.from !== undefined) this.tip.hide();
    else {
      const r = this.top.getBoundingClientRect();
      this.tip.show(this.title(best ? best.s.x[best.i] : this.at), found, best && best.distance < NEAR_PX ? best.s : null, { x: r.left + this.mouse.x, y: r.top + this.mouse.y });
    }
  }

  title(x) {
    const { kind, xName } = this.options;
    if (kind === 'time') return moment(x);
    if (kind === 'relative') return span(x) + ' after the start';
    return kind === 'step' ? 'step ' + count(Math.round(x)) : `${xName} ${num(x)}`;
  }

  // Each series' point nearest to x, if it is near enough to speak of.
  found(x) {
    const { tau } = this.options, out = [], reach = (this.view.b - this.view.a) * .03;
    for (const s of this.series) {
      const i = nearest(s, x);
      if (i < 0 || (Math.abs(s.x[i] - x) > reach && s.n > 1)) continue;
      const y = s.group ? s.y[i] : ema(s, tau)[i];
      if (!Number.isNaN(y)) out.push({ y, s, i });
    }
    return out;
  }

  nearestTo(found, mouse) {
    let best = null;
    for (const f of found) {
      f.distance = Math.abs(this.view.py(f.y) - mouse.y);
      if (!best || f.distance < best.distance) best = f;
    }
    return best;
  }

  veil(g, v, hot) {
    g.save();
    strokes.clip(g, v);
    if (this.series.length > 2) {
      g.globalAlpha = .55;
      g.fillStyle = this.ink.paper;
      g.fillRect(v.pad.l, 0, v.width, v.base + 1);
      g.globalAlpha = 1;
    }
    for (const s of this.series) if (s.id === hot) strokes.line(g, v, s, s.group ? s.y : ema(s, this.options.tau), 2.6);
    g.restore();
  }

  crosshair(g, v, found, hot) {
    const x = Math.round(v.px(this.at)) + .5;
    g.strokeStyle = this.ink.soft;
    g.lineWidth = 1;
    g.setLineDash([3, 3]);
    g.beginPath();
    g.moveTo(x, 0);
    g.lineTo(x, v.base);
    g.stroke();
    g.setLineDash([]);
    for (const { y, s, i } of found) {
      if (found.length > 15 && s.id !== hot) continue;
      g.fillStyle = s.color;
      g.beginPath();
      g.arc(v.px(s.x[i]), v.py(y), s.id === hot ? 4 : 2.8, 0, 7);
      g.fill();
    }
  }

  selection(g, v) {
    const a = Math.max(v.pad.l, Math.min(this.from, this.mouse.x)), b = Math.min(v.w - v.pad.r, Math.max(this.from, this.mouse.x));
    if (this.panning) return;
    g.globalAlpha = .15;
    g.fillStyle = this.ink.accent;
    g.fillRect(a, 0, b - a, v.base);
    g.globalAlpha = 1;
  }

  inside({ x, y }) { const v = this.view; return x >= v.pad.l - 8 && x <= v.w && y >= 0 && y <= v.h; }

  where(event) { const r = this.top.getBoundingClientRect(); return { x: event.clientX - r.left, y: event.clientY - r.top }; }

  listen() {
    const t = this.top;
    t.addEventListener('pointermove', e => {
      if (!this.view) return;
      this.mouse = this.where(e);
      if (this.panning) this.pan();
      this.on.cursor(this.from !== undefined && !this.panning ? this.at : this.view.toX(this.mouse.x));
      this.askOver();
    });
    t.addEventListener('pointerleave', e => { if (e.pointerType !== 'touch') this.leave(); }); // what a tap shows stays until one taps elsewhere
    t.addEventListener('pointercancel', () => this.leave());
    t.addEventListener('pointerdown', e => {
      if (e.button || !this.view) return;
      if (e.pointerType === 'touch') t.focus({ preventScroll: true }); // so another chart lets go before this one shows
      this.mouse = this.where(e);
      if (e.pointerType === 'touch') { this.on.cursor(this.view.toX(this.mouse.x)); this.askOver(); return; }
      t.setPointerCapture(e.pointerId);
      this.from = this.mouse.x;
      if (e.shiftKey) this.panning = [this.view.a, this.view.b, this.view.toX(this.mouse.x)];
    });
    t.addEventListener('pointerup', e => this.release(e));
    t.addEventListener('dblclick', () => { clearTimeout(this.picking); this.on.zoom(null); });
    t.addEventListener('wheel', e => {
      if (!e.altKey || !this.view) return;
      e.preventDefault();
      const x = this.view.toX(this.where(e).x), k = 1.0015 ** e.deltaY;
      this.on.zoom(x - (x - this.view.a) * k, x + (this.view.b - x) * k, true);
    }, { passive: false });
    t.addEventListener('keydown', e => this.key(e));
    t.addEventListener('blur', () => this.leave());
  }

  leave() {
    if (this.from !== undefined && this.panning === undefined) return;
    this.mouse = null;
    this.hot = '';
    this.tip.hide();
    this.on.cursor(null);
    this.on.hover('');
    this.askOver();
  }

  release(e) {
    if (this.from === undefined) return;
    const from = this.from, to = this.mouse ? this.mouse.x : from, panned = this.panning;
    this.from = this.panning = undefined;
    if (panned) { if (Math.abs(from - to) > CLICK_PX) this.on.zoom(this.view.a, this.view.b); return; }
    if (Math.abs(from - to) <= CLICK_PX) { if (this.hot) this.pick(this.hot, e); return; }
    const v = this.view, a = Math.max(v.a, v.toX(Math.min(from, to))), b = Math.min(v.b, v.toX(Math.max(from, to)));
    this.on.zoom(a, b);
  }

  // A click. Where one is zoomed, a second one may follow, which means the whole range: it is waited for.
  pick(id, e) {
    clearTimeout(this.picking);
    if (!this.options.range || e.ctrlKey || e.metaKey) this.on.pick(id, e);
    else this.picking = setTimeout(() => this.on.pick(id, e), 300);
  }

  // Shift-drag: what is here moves at once; what is missing is asked for at the end.
  pan() {
    const [a, b, grip] = this.panning, at = a + (this.mouse.x - this.view.pad.l) / this.view.width * (b - a), shift = grip - at;
    this.options = { ...this.options, range: [a + shift, b + shift] };
    this.ask();
  }

  // Arrows walk along the curve that is nearest to the middle, or that a pointer chose.
  key(e) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[e.key], v = this.view;
    if (!step || e.altKey || e.ctrlKey || e.metaKey || !v || !this.series.length) return;
    const s = this.series.find(one => one.id === this.hotAll && one.n) || this.series.find(one => one.n);
    if (!s) return;
    e.preventDefault();
    e.stopPropagation();
    const i = this.at === null ? s.i : Math.max(0, Math.min(s.n - 1, nearest(s, this.at) + step));
    this.mouse = { x: v.px(s.x[i]), y: v.py(ema(s, this.options.tau)[i]) };
    this.on.cursor(s.x[i]);
    this.askOver();
  }
}

function canvas(box, className) {
  const made = document.createElement('canvas');
  made.className = className;
  box.append(made);
  return made;
}
