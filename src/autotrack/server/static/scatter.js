// One value against another, a dot a run; against the time of start with the best so far.

import { useEffect, useRef } from 'preact/hooks';
import { bare, moment, num, typed } from './format.js';
import { html } from './html.js';
import { ramp } from './palette.js';
import { dimension } from './dimensions.js';
import * as runs from './runs.js';
import { dark, effect, go, hover, untracked } from './state.js';
import { Tip } from './tip.js';

const PAD = { l: 58, r: 14, t: 12, b: 30 };

export function Scatter({ x, y, least }) {
  const box = useRef();
  useEffect(() => {
    const el = box.current, canvas = el.querySelector('canvas'), tip = new Tip();
    let dots = [];
    const draw = () => {
      const { width: w, height: h } = el.getBoundingClientRect(), scale = devicePixelRatio || 1, g = canvas.getContext('2d'), css = getComputedStyle(el), named = name => css.getPropertyValue('--' + name);
      canvas.width = Math.round(w * scale);
      canvas.height = Math.round(h * scale);
      g.setTransform(scale, 0, 0, scale, 0, 0);
      const rows = runs.order.value, dx = dimension(untracked(() => runs.column(x)), rows), dy = dimension(untracked(() => runs.column(y)), rows);
      dots = [];
      if (!dx || !dy || w < 80) return;
      const px = t => PAD.l + t * (w - PAD.l - PAD.r), py = t => h - PAD.b - t * (h - PAD.t - PAD.b);
      g.font = '10.5px ' + css.fontFamily;
      g.fillStyle = named('soft');
      g.strokeStyle = named('grid');
      g.textAlign = 'right';
      g.beginPath();
      for (const m of dy.marks) { g.moveTo(PAD.l, Math.round(py(m.at)) + .5); g.lineTo(w - PAD.r, Math.round(py(m.at)) + .5); g.fillText(m.text, PAD.l - 6, py(m.at) + 3.5); }
      g.stroke();
      g.textAlign = 'center';
      let free = 0;
      if (x !== 'created') for (const m of dx.marks) { const half = g.measureText(m.text).width / 2, at = Math.max(half, Math.min(w - half, px(m.at))); if (at - half > free) { g.fillText(m.text, at, h - PAD.b + 16); free = at + half + 6; } }
      else { g.textAlign = 'left'; g.fillText('earlier', PAD.l, h - PAD.b + 16); g.textAlign = 'right'; g.fillText('later', w - PAD.r, h - PAD.b + 16); }
      for (const row of rows) { const a = dx.at(row), b = dy.at(row); if (a === a && b === b) dots.push({ row, x: px(a), y: py(b), t: b }); }
      if (x === 'created') best(g, dots, least, named('accent'), w - PAD.r);
      g.globalAlpha = dots.length > 2000 ? .4 : .8;
      for (const d of dots) { g.fillStyle = ramp(d.t, dark.value); g.beginPath(); g.arc(d.x, d.y, dots.length > 2000 ? 2 : 3.2, 0, 7); g.fill(); }
      g.globalAlpha = 1;
      const hot = dots.find(d => runs.table.id[d.row] === hover.peek());
      if (hot) { g.strokeStyle = named('ink'); g.lineWidth = 2; g.beginPath(); g.arc(hot.x, hot.y, 5.5, 0, 7); g.stroke(); }
    };
    const nearest = e => {
      const r = canvas.getBoundingClientRect(), mx = e.clientX - r.left, my = e.clientY - r.top;
      let found = null, near = 14;
      for (const d of dots) { const away = Math.hypot(d.x - mx, d.y - my); if (away < near) { near = away; found = d; } }
      return found;
    };
    const move = e => {
      const d = nearest(e);
      hover.value = d ? runs.table.id[d.row] : '';
      canvas.style.cursor = d ? 'pointer' : '';
      if (!d) { tip.hide(); return; }
      const text = column => (column === 'created' ? moment(runs.table.created[d.row]) : column.startsWith('metrics.') ? num(runs.table.value(column, d.row)) : typed(runs.table.value(column, d.row)));
      const s = { label: runs.table.name[d.row], color: ramp(d.t, dark.value), flat: true, lo: [], hi: [] };
      tip.show(`${bare(x)} ${text(x)}`, [{ y: runs.table.value(y, d.row), s, i: 0 }], s, { x: e.clientX, y: e.clientY });
    };
    const leave = () => { tip.hide(); hover.value = ''; }, click = e => { const d = nearest(e); if (d) go({ tab: 'run', run: runs.table.id[d.row] }); };
    canvas.addEventListener('pointermove', move);
    canvas.addEventListener('pointerleave', leave);
    canvas.addEventListener('click', click);
    const size = new ResizeObserver(draw);
    size.observe(el);
    const off = effect(() => { runs.order.value; runs.rev.value; dark.value; hover.value; draw(); });
    return () => { off(); size.disconnect(); tip.close(); };
  }, [x, y, least]);
  return html`<div class="scatter" ref=${box} role="img" aria-label=${`${bare(y)} against ${x === 'created' ? 'time of start' : bare(x)}`}><canvas></canvas></div>`;
}

// A step for each run that was better than all before it.
function best(g, dots, least, color, end) {
  const sorted = [...dots].sort((a, b) => a.x - b.x);
  let at = null;
  g.strokeStyle = color;
  g.lineWidth = 1.6;
  g.beginPath();
  for (const d of sorted) {
    if (at !== null && (least ? d.y <= at : d.y >= at)) continue;
    if (at === null) g.moveTo(d.x, d.y);
    else { g.lineTo(d.x, at); g.lineTo(d.x, d.y); }
    at = d.y;
  }
  if (at !== null) g.lineTo(end, at);
  g.stroke();
}
