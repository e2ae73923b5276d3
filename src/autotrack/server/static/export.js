// What one takes away from a chart: the picture (PNG, SVG), the numbers (CSV, Markdown), the lines of Python that draw it. And its range of y.
// Comes when somebody asks for it.

import { join, list } from './address.js';
import { copy } from './empty.js';
import { ema } from './curves.js';
import { html } from './html.js';
import { at, say, turn } from './state.js';

export function save(name, blob) {
  const a = document.createElement('a');
  a.href = URL.createObjectURL(blob);
  a.download = name.replace(/[^\w.-]+/g, '_');
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}

const ACTIONS = {
  png: ['copy picture', async (chart, title) => {
    const page = document.createElement('canvas'), g = page.getContext('2d');
    page.width = chart.low.width;
    page.height = chart.low.height;
    g.fillStyle = chart.ink.paper;
    g.fillRect(0, 0, page.width, page.height);
    g.drawImage(chart.low, 0, 0);
    const blob = await new Promise(done => page.toBlob(done, 'image/png'));
    try {
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
      say('picture copied');
    } catch { save(title + '.png', blob); }
  }],
  svg: ['save SVG', async (chart, title) => save(title + '.svg', new Blob([(await import('./written.js')).svgOf(chart, s => (s.group ? s.y : ema(s, chart.options.tau)), title)], { type: 'image/svg+xml' }))],
  csv: ['save CSV', async (chart, title) => save(title + '.csv', new Blob([(await import('./written.js')).csvOf(chart.series, chart.options.xName)], { type: 'text/csv' }))],
  table: ['copy as table', async chart => copy((await import('./written.js')).markdownOf(chart.series, chart.options.xName), 'table copied')],
  python: ['copy Python', async (chart, title, curves) => copy((await import('./written.js')).pythonOf(curves.ids(), curves.keys, title, chart.options.log), 'Python copied')],
};

function act(name, plot, title) { return ACTIONS[name][1](plot.chart, title, plot.curves); }

// What its menu holds.
export function Takings({ title, plot, ranged, shut }) {
  const range = e => {
    e.preventDefault();
    const form = new FormData(e.target), others = list(at.y.value).filter(item => !item.startsWith(title + ':')), low = form.get('low'), high = form.get('high');
    turn({ y: join(low !== '' && high !== '' && +high > +low ? [...others, `${title}:${+low}:${+high}`] : others) });
    shut();
  };
  return html`${Object.entries(ACTIONS).map(([name, [text]]) => html`<button type="button" key=${name} onClick=${() => { shut(); act(name, plot.current, title); }}>${text}</button>`)}
    <form onSubmit=${range}><span>y from</span><input name="low" inputmode="decimal" value=${ranged ? ranged[0] : ''} aria-label="least y" /><span>to</span><input name="high" inputmode="decimal" value=${ranged ? ranged[1] : ''} aria-label="greatest y" /><button type="submit" class="mini">set</button></form>`;
}
