// On paper there is no scrolling, no dark and no list: what is far from the screen is asked for first, all is drawn in light colours, a legend names the lines.

import { render } from 'preact';
import { plural } from './format.js';
import { html } from './html.js';
import * as runs from './runs.js';
import { eager, theme } from './state.js';

const PATIENCE_MS = 10_000, MOST = 100; // names
const plots = () => [...document.querySelectorAll('.plot')].filter(box => box.curves);
const pause = ms => new Promise(done => setTimeout(done, ms));
const load = ({ curves }) => { curves.near = true; return curves.load(); };
const legend = document.createElement('div');
legend.style.cssText = 'padding: 8px 14px 0; overflow-wrap: anywhere';
let before = '', far = false;

// A browser waits for nobody once it prints, so Ctrl+P comes here first.
export async function printAll() {
  far = !eager.value;
  eager.value = true;
  await pause(200); // until what is far exists, and knows that it is far
  await Promise.race([Promise.all(plots().map(load)), pause(PATIENCE_MS)]);
  print();
}

// What needs no server is loaded in the first listener, and there when the second draws.
addEventListener('beforeprint', () => plots().forEach(load));
addEventListener('beforeprint', () => {
  before = theme.value;
  theme.value = 'light';
  for (const { chart, curves } of plots()) { curves.show(); chart.size(); chart.draw(); }
  for (const { parallel } of document.querySelectorAll('.par')) parallel?.print();
  render(names(), legend);
  document.body.prepend(legend);
});
addEventListener('afterprint', () => {
  legend.remove();
  theme.value = before;
  for (const { parallel } of document.querySelectorAll('.par')) parallel?.unprint();
  if (far) eager.value = false;
});

// The runs whose lines the charts have; a line of each, as a drawing, since browsers leave grounds away. A chart of one run, or of groups, names its lines itself.
function names() {
  const many = plots().filter(({ curves }) => curves.only?.length !== 1), paint = runs.paint.value;
  const rows = [...new Set(many.flatMap(({ chart }) => chart.series.filter(s => s.n).map(s => runs.byId(s.run))))].filter(row => row !== undefined);
  return rows.slice(0, MOST).map(row => {
    const { color, dash } = paint(row);
    return html`<span key=${row} class="legend" style=${{ display: 'inline-block', marginRight: '18px' }}><svg width="26" height="8" aria-hidden="true"><path d="M0 4h26" stroke=${color} stroke-width="2.5" stroke-dasharray=${dash.join(' ')} /></svg> ${runs.table.name[row]}</span> `;
  }).concat(rows.length > MOST ? `and ${plural(rows.length - MOST, 'run')} more` : []);
}
