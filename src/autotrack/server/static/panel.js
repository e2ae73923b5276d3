// One panel: asks for its curves, draws them, follows the pointer, the address and what comes live. Exists only near the screen.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import * as api from './api.js';
import { flip, list } from './address.js';
import { Chart } from './chart.js';
import { band, constant, push } from './curves.js';
import { bare, count, num, plural } from './format.js';
import { html } from './html.js';
import { Menu } from './menu.js';
import { hue } from './palette.js';
import { isTrain, shown, split } from './panels.js';
import * as runs from './runs.js';
import { at, computed, cursor, dark, effect, go, hover, panelAt, say, signal, turn, untracked } from './state.js';

export const xKind = () => (at.x.value.startsWith('metrics.') ? 'metric' : at.x.value);
export const xName = () => (xKind() === 'metric' ? bare(at.x.value) : xKind() === 'time' ? 'time' : xKind() === 'relative' ? 'seconds' : 'step');
const xAsked = () => (xKind() === 'metric' ? { metric: bare(at.x.value) } : at.x.value);
export function zoomed() { // what somebody typed may be the wrong way round, or one end alone
  const ends = [at.x0.value, at.x1.value];
  return ends.includes('') ? null : ends.map(Number).sort((a, b) => a - b);
}

// The range of y that somebody set for a panel: `y=loss:0:2`.
function yRange(title) {
  for (const item of list(at.y.value)) {
    const told = /^(.*):([^:]*):([^:]*)$/.exec(item);
    if (told && told[1] === title && +told[3] > +told[2]) return [+told[2], +told[3]];
  }
  return null;
}

function setRange(a, b, small = false) {
  if (a === null) { go({ x0: '', x1: '' }); return; }
  const round = v => (xKind() === 'step' ? Math.round(v) : +v.toPrecision(15));
  const change = { x0: String(round(a)), x1: String(round(b)) };
  if (change.x0 === change.x1) return;
  if (small) turn(change);
  else go(change);
}

// The curves of one panel, whatever draws them. Lives as long as its element.
class Curves {
  constructor(box, { title, keys, only, told }) {
    Object.assign(this, { box, title, keys, only, told, have: [], asked: '', near: false });
    this.chart = new Chart(box, {
      cursor: x => { cursor.value = x; },
      hover: id => { hover.value = id; },
      zoom: setRange,
      pick: (id, event) => (event.ctrlKey || event.metaKey ? runs.tick(id) : runs.byId(id) !== undefined && go({ tab: 'run', run: id })),
      drawn: () => this.drawn && this.drawn(),
    });
    box.chart = this.chart;
    this.chart.top.ariaLabel = title;
    box.curves = this;
    this.watch = new IntersectionObserver(seen => { this.near = seen[seen.length - 1].isIntersecting; if (this.near) this.load(); }, { rootMargin: '150px' });
    this.watch.observe(box);
    this.off = [
      effect(() => { this.ids(); runs.ready.value; at.x.value; at.x0.value; at.x1.value; clearTimeout(this.wait); this.wait = setTimeout(() => this.load(), 16); }),
      effect(() => { at.s.value; at.log.value; at.y.value; at.band.value; dark.value; runs.paint.value; untracked(() => this.have.length && this.near && this.show()); }),
      effect(() => { this.chart.point(cursor.value, hover.value); }),
    ];
    this.live = change => this.arrived(change);
    runs.listeners.add(this.live);
  }

  close() {
    clearTimeout(this.wait);
    clearTimeout(this.later);
    for (const off of this.off) off();
    runs.listeners.delete(this.live);
    this.watch.disconnect();
    if (this.abort) this.abort.abort();
    this.chart.close();
  }

  ids() { return this.only || runs.drawn.value.map(row => runs.table.id[row]); }

  tau() {
    let a = Infinity, b = -Infinity;
    for (const s of this.have) { a = Math.min(a, s.first); b = Math.max(b, s.last); }
    return constant(+at.s.value, b - a);
  }

  question() {
    const ids = this.ids().slice(0, 1000), width = this.box.clientWidth || 600, range = zoomed();
    const body = { runs: ids, keys: this.keys.slice(0, 8), x: xAsked(), points: Math.round(Math.min(5000, Math.max(300, width * (ids.length <= 30 ? 2 : 1)))) };
    return range ? { ...body, from: range[0], to: range[1], lead: 4 * this.tau() } : body;
  }

  async load() {
    if (!this.near || !runs.ready.peek()) { this.asked = ''; return; }
    const body = untracked(() => this.question()), sign = JSON.stringify(body);
    if (sign === this.asked) { this.show(); return; }
    this.show(); // what is here stretches at once
    this.asked = sign;
    if (this.abort) this.abort.abort();
    const mine = this.abort = new AbortController();
    if (!body.runs.length) { this.have = []; this.show(); this.told({ state: 'empty' }); return; }
    const began = performance.now();
    try {
      const got = await api.series(body, mine.signal);
      this.have = got.series;
      this.byName = new Map(this.have.map(s => [s.run + '\0' + s.key, s]));
      this.took = performance.now() - began;
      this.pending = got.pending;
      if (got.pending) this.again(1000);
      else if (body.from !== undefined && untracked(() => this.tau()) * 4 > body.lead * 1.01) this.again(0); // now the whole range is known
      this.tell();
      this.show();
    } catch (error) {
      if (error.name === 'AbortError') return;
      this.asked = '';
      this.told({ state: 'gone', text: error.status ? error.message : 'the server does not answer' });
      if (!error.status || error.status >= 503) this.again(3000);
    } finally {
      if (this.abort === mine) this.abort = null;
    }
  }

  again(ms) {
    if (this.later) return;
    this.later = setTimeout(() => {
      this.later = 0;
      if (this.abort) { this.again(200); return; } // an answer that takes long is waited for, not asked for anew
      this.asked = '';
      this.load();
    }, ms);
  }

  tell() {
    const odds = this.have.reduce((sum, s) => sum + (s.odds || 0), 0);
    this.told({ state: this.have.length ? 'ok' : 'empty', odds, pending: this.pending });
    const lasts = this.have.filter(s => s.n).map(s => s.y[s.n - 1]).filter(Number.isFinite);
    const range = lasts.length ? `, last values ${num(Math.min(...lasts))} to ${num(Math.max(...lasts))}` : '';
    this.chart.top.setAttribute('aria-label', `${this.title} over ${untracked(xName)}: ${plural(this.have.length, 'curve')}${range}${odds ? `, ${odds} not finite` : ''}`);
  }

  show() {
    untracked(() => {
      this.style();
      const group = at.band.value && !this.only, series = group ? this.banded() : this.have;
      this.chart.set(series, { range: zoomed(), y: yRange(this.title), log: list(at.log.value).includes(this.title), tau: this.tau(), kind: xKind(), xName: xName() });
    });
  }

  style() {
    const paint = runs.paint.value, two = this.keys.length > 1, { table } = runs;
    for (const s of this.have) {
      const row = runs.byId(s.run), own = row === undefined ? { color: hue(0, dark.value), dash: [] } : paint(row);
      s.id = s.run;
      s.color = this.only && this.only.length === 1 ? hue(this.keys.indexOf(s.key), dark.value) : own.color;
      s.dash = this.only && this.only.length === 1 ? [] : two && isTrain(s.key) ? [4, 3] : own.dash;
      s.label = this.only && this.only.length === 1 ? s.key : (row === undefined ? s.run.slice(0, 8) : table.name[row]) + (two ? ' ' + (split(s.key) || s.key) : '');
    }
  }

  // Mean and range of the runs that share a value.
  banded() {
    const groups = new Map(), column = runs.column(at.band.value);
    if (!column) return [];
    for (const s of this.have) {
      const row = runs.byId(s.run), value = row === undefined ? undefined : runs.table.value(at.band.value, row), name = (value === undefined ? 'none' : String(value)) + '\0' + s.key;
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(s);
    }
    const values = [...new Set([...groups.keys()].map(name => name.split('\0')[0]))].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    return [...groups].map(([name, members]) => {
      const [value, key] = name.split('\0'), s = band(members);
      return Object.assign(s, { id: 'group:' + value, color: hue(values.indexOf(value), dark.value), dash: this.keys.length > 1 && isTrain(key) ? [4, 3] : [],
        label: `${bare(at.band.value)} = ${value} (${members.length})${this.keys.length > 1 ? ' ' + split(key) : ''}` });
    });
  }

  arrived({ points, stale }) {
    let hit = false, missed = stale.some(([id, key]) => this.keys.includes(key) && this.byName && this.byName.has(id + '\0' + key));
    for (const [id, key, steps, values, times] of points) {
      if (!this.keys.includes(key) || !this.byName) continue;
      const s = this.byName.get(id + '\0' + key);
      if (!s) { missed ||= this.ids().includes(id); continue; }
      for (let i = 0; i < steps.length; i++) {
        const x = this.place(id, steps[i], times[i]);
        if (x === null || !push(s, steps[i], x, values[i])) { missed = true; break; }
        s.last = Math.max(s.last, x);
        hit = true;
      }
    }
    if (missed) this.again(1000);
    if (hit && this.near) { this.tell(); this.show(); }
  }

  place(id, step, time) {
    const kind = at.x.peek();
    if (kind === 'step') return step;
    if (kind === 'time') return time;
    if (kind === 'relative') return time - runs.table.created[runs.byId(id)];
    return null;
  }
}

const takings = signal(null), fetchTakings = () => import('./export.js').then(it => { takings.value = it.Takings; }, () => say('The server does not answer.'));

export function Panel({ title, keys, section, only }) {
  const box = useRef(), [note, tell] = useState({ state: 'wait' }), ids = only ? only.join() : '';
  useEffect(() => {
    const curves = new Curves(box.current, { title, keys, only, told: tell });
    return () => curves.close();
  }, [title, keys.join('\0'), ids]);
  const concluded = useMemo(() => computed(() => runs.inferred(only ? only.map(runs.byId) : runs.drawn.value, keys)), [keys.join('\0'), ids]).value;
  const log = list(at.log.value).includes(title), big = at.big.value === title, ranged = yRange(title);
  const splits = keys.map(split).filter(Boolean), legend = only && only.length === 1;
  return html`<figure class=${'panel' + (big ? ' full' : '')} data-title=${title} onPointerEnter=${() => { panelAt.value = title; }} onFocusIn=${() => { panelAt.value = title; }}>
    <figcaption><b title=${title}>${shown(title, section)}</b>
      ${splits.length > 1 ? html`<span class="pair" title=${splits.join(', ')}>${keys.map((key, i) => html`<span key=${key} class=${!legend && isTrain(key) ? 'dashed' : 'solid'}><i style=${legend ? { borderColor: hue(i, dark.value) } : {}}></i>${split(key) || key}</span>`)}</span>` : splits.length ? html`<span class="pair">${splits[0]}</span>` : null}
      ${concluded ? html`<span class="note" title=${`concluded from what the program did, not told by it: ${concluded}`}>inferred</span>` : null}
      ${note.odds ? html`<span class="odd" title="values that were NaN or infinite; the triangles on the axis">▲ ${count(note.odds)} not finite</span>` : null}
      ${note.pending ? html`<span class="note" title="sums of long curves, made once">summing up ${plural(note.pending, 'curve')} …</span>` : null}
      <span class="tools">
        <button type="button" aria-pressed=${log} title="logarithmic axis (l)" onClick=${() => turn({ log: flip(at.log.value, title) })}>log</button>
        <${Menu} text="⋯" look=${ranged ? 'on' : ''} label="more of this chart" title="export, range of y (e)" opened=${fetchTakings}>${shut => (takings.value ? html`<${takings.value} title=${title} plot=${box} ranged=${ranged} shut=${shut} />` : null)}</${Menu}>
        <button type="button" title=${big ? 'back (Esc)' : 'full screen (f)'} aria-label=${big ? 'leave full screen' : 'full screen'} onClick=${() => go({ big: big ? '' : title })}>${big ? '×' : '⤢'}</button>
      </span></figcaption>
    <div class="plot" data-state=${note.state} ref=${box}>
      ${note.state === 'empty' ? html`<p class="quiet">no points in the runs that are drawn</p>` : note.state === 'gone' ? html`<p class="quiet bad">${note.text}; trying again</p>` : null}
    </div></figure>`;
}
