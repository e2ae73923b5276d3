// Recognised tables as pictures: a heat map of a confusion matrix, ROC and precision-recall curves. The table itself is one click away.

import { useState } from 'preact/hooks';
import { count, num } from './format.js';
import { html } from './html.js';
import { hue } from './palette.js';
import { dark } from './state.js';

const NAMES = { confusion: 'confusion matrix', roc: 'ROC curve', pr: 'precision-recall curve' };
const AREAS = { roc: 'area', pr: 'average precision' };
const SIDE = 260, LEFT = 40, TOP = 8, WIDTH = LEFT + SIDE + 12, HEIGHT = TOP + SIDE + 36;

export function Drawn({ shape, table, children }) {
  const [plain, turn] = useState(false);
  return html`<div class="drawn"><p class="note">${NAMES[shape.kind]} <button type="button" class="mini" aria-pressed=${plain} onClick=${() => turn(!plain)}>as table</button></p>
    ${plain ? children : shape.kind === 'confusion' ? html`<${Confusion} shape=${shape} />` : html`<${Rates} shape=${shape} table=${table} />`}</div>`;
}

const percent = (part, whole) => (whole ? +(part / whole * 100).toPrecision(3) + ' %' : '');

// A row is a class as it is; how strong a cell's colour is, is its share of the row.
function Confusion({ shape: { classes, counts, total, right } }) {
  return html`<div class="plain" tabindex="0"><table class="confusion"><caption>${count(total)} in all, ${percent(right, total)} of them right</caption>
    <thead><tr><th scope="col"><span class="note">actual ↓ predicted →</span></th>${classes.map(name => html`<th scope="col" key=${name}>${String(name)}</th>`)}</tr></thead>
    <tbody>${counts.map((row, i) => {
      const all = row.reduce((a, n) => a + n, 0);
      return html`<tr key=${i}><th scope="row">${String(classes[i])}</th>${row.map((n, j) => html`<td key=${j} class=${i === j ? 'right' : ''} style=${{ '--share': all ? n / all : 0 }} title=${`actual ${classes[i]}, predicted ${classes[j]}: ${count(n)}${all ? `, ${percent(n, all)} of ${classes[i]}` : ''}`}>${count(n)}</td>`)}</tr>`;
    })}</tbody></table></div>`;
}

function Rates({ shape: { kind, xName, yName, curves }, table }) {
  const [at, point] = useState(null), px = v => LEFT + v * SIDE, py = v => TOP + (1 - v) * SIDE, marks = [0, .2, .4, .6, .8, 1];
  const told = c => [c.name, c.area === null ? '' : `${AREAS[kind]} ${num(c.area)}`].filter(Boolean).join(': ');
  const move = e => {
    const r = e.currentTarget.getBoundingClientRect(), scale = WIDTH / r.width, mx = (e.clientX - r.left) * scale, my = (e.clientY - r.top) * scale;
    let best = null, near = 40;
    curves.forEach((c, k) => c.x.forEach((x, i) => { const away = Math.hypot(px(x) - mx, py(c.y[i]) - my); if (away < near) { near = away; best = { k, i }; } }));
    point(best);
  };
  const hot = at && curves[at.k];
  return html`<div class="rates"><svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${`${NAMES[kind]}: ${curves.map(told).filter(Boolean).join(', ') || yName + ' against ' + xName}`} onPointerMove=${move} onPointerLeave=${() => point(null)}>
      ${marks.map(v => html`<g key=${v}><path class="gridline" d=${`M${LEFT} ${py(v)}H${LEFT + SIDE}M${px(v)} ${TOP}V${TOP + SIDE}`} /><text x=${LEFT - 6} y=${py(v) + 3.5} text-anchor="end">${v}</text><text x=${px(v)} y=${TOP + SIDE + 15} text-anchor="middle">${v}</text></g>`)}
      <text x=${LEFT + SIDE / 2} y=${HEIGHT - 5} text-anchor="middle">${xName}</text><text transform=${`translate(9 ${TOP + SIDE / 2}) rotate(-90)`} text-anchor="middle">${yName}</text>
      ${kind === 'roc' ? html`<path class="chance" d=${`M${px(0)} ${py(0)}L${px(1)} ${py(1)}`} />` : null}
      ${curves.map((c, k) => html`<path key=${k} class="rate" stroke=${hue(k, dark.value)} stroke-dasharray=${k < 8 ? null : k < 16 ? '7 3' : '2 3'} d=${line(c, kind, px, py)} />`)}
      ${hot ? html`<circle cx=${px(hot.x[at.i])} cy=${py(hot.y[at.i])} r="4" fill=${hue(at.k, dark.value)} />` : null}</svg>
    <ul>${curves.map((c, k) => (told(c) ? html`<li key=${k}><i style=${{ background: hue(k, dark.value) }}></i>${told(c)}</li>` : null))}
      <li class="note">${hot ? `${hot.name ? hot.name + ': ' : ''}${xName} ${num(hot.x[at.i])}, ${yName} ${num(hot.y[at.i])}${hot.threshold[at.i] === null ? '' : `, threshold ${num(hot.threshold[at.i])}`}` : ' '}</li>
      ${table.cut ? html`<li class="bad">the first ${count(table.rows.length)}${table.total ? ' of ' + count(table.total) : ''} points</li>` : null}</ul></div>`;
}

// Precision between two recalls is that of the higher one: steps, no line through what nobody measured.
const line = ({ x, y }, kind, px, py) => x.map((v, i) => (i === 0 || kind === 'roc' ? `${i ? 'L' : 'M'}${px(v)} ${py(y[i])}` : x[i] > x[i - 1] ? `V${py(y[i])}H${px(v)}` : `H${px(v)}V${py(y[i])}`)).join('');
