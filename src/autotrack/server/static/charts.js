// The charts: one panel a metric, train and val of one name together, in sections. And the knobs above them.

import { useEffect, useRef, useState } from 'preact/hooks';
import { flip, list } from './address.js';
import { Nothing } from './empty.js';
import { bare, count, natural, num } from './format.js';
import { html } from './html.js';
import { List } from './list.js';
import { Panel, xKind, zoomed } from './panel.js';
import { sections, shallow } from './panels.js';
import * as runs from './runs.js';
import { at, dark, eager, go, turn } from './state.js';
import { hue, ramp } from './palette.js';

const MOST = 48; // panels of a section before one asks for more

// `only`: ids of the runs to draw instead of those the list draws; `keys`: their metrics.
export function Grid({ only, keys }) {
  const wanted = at.find.value.toLowerCase(), all = keys || runs.facts.value.curves, [more, setMore] = useState({});
  const found = sections(all.filter(key => key.toLowerCase().includes(wanted)));
  const flipped = list(at.shut.value), total = found.reduce((sum, s) => sum + s.panels.length, 0);
  const isOpen = (name, i) => (wanted !== '' || i === 0 || (total <= 12 && name !== 'system')) !== flipped.includes(name);
  if (!found.length) return html`<${NoCharts} wanted=${wanted} all=${all} />`;
  return html`<div class="sections">${found.map(({ section, panels }, i) => {
    const open = isOpen(section, i), some = panels.slice(0, more[section] || MOST);
    return html`<section key=${section} class="section">
      <h2><button type="button" aria-expanded=${open} onClick=${() => turn({ shut: flip(at.shut.value, section) })}><i class=${'twist' + (open ? ' open' : '')}></i><bdi>${section}</bdi> <em>${panels.length}</em></button></h2>
      ${open ? html`<div class=${'grid of' + Math.min(some.length, 4)}>${some.map(p => html`<${Near} key=${p.title} id=${p.title}><${Panel} title=${p.title} keys=${p.keys} section=${section} only=${only} /></${Near}>`)}</div>
        ${some.length < panels.length ? html`<button type="button" class="more" onClick=${() => setMore({ ...more, [section]: some.length + MOST })}>show ${Math.min(MOST, panels.length - some.length)} more of ${count(panels.length - some.length)}</button>` : null}` : null}
    </section>`;
  })}</div>`;
}

// Keeps a place of the right size; what is in it exists only near the screen.
function Near({ id, children }) {
  const ref = useRef(), [near, set] = useState(false), big = at.big.value === id;
  useEffect(() => {
    const el = ref.current, watch = new IntersectionObserver(seen => set(seen[seen.length - 1].isIntersecting), { rootMargin: '600px' });
    watch.observe(el);
    return () => watch.disconnect();
  }, []);
  return html`<div class="near" ref=${ref}>${near || big || eager.value ? children : null}</div>`;
}

function NoCharts({ wanted, all }) {
  if (all.length) return html`<div class="empty"><h2>No chart is called like “${wanted}”</h2><button type="button" class="main" onClick=${() => turn({ find: '' })}>Show all ${all.length}</button></div>`;
  return html`<div class="empty"><h2>These runs have no curves</h2>
    <p>Their parameters, times and files were recorded: see <button type="button" class="link" onClick=${() => go({ tab: 'table' })}>the table</button>.</p>
    <p>A curve comes from training that goes in steps (boosting, epochs, a PyTorch loop), or from your own line:</p>
    <pre>autotrack.log({"train/loss": loss}, step=step)</pre></div>`;
}

export function Charts() {
  if (!runs.order.value.length) return html`<${List} /><${Nothing} />`;
  return html`<${List} /><div class="pane" tabindex="-1"><${Key} /><${Grid} /></div>`;
}

// What has charts has these; colour and band are of the charts of many runs.
export function Knobs({ here = 'charts' }) {
  const { params, metrics } = runs.facts.value, smooth = +at.s.value, varying = new Set(runs.facts.value.varying);
  const sorted = shallow(params).sort((a, b) => varying.has(b) - varying.has(a));
  const columns = [...sorted.slice(0, 60).map(key => 'params.' + key), ...runs.facts.value.headline.concat(metrics.slice(0, 30)).filter((k, i, all) => all.indexOf(k) === i).map(key => 'metrics.' + key)];
  const option = name => html`<option key=${name} value=${name}>${bare(name)}</option>`, zoom = zoomed();
  const known = (name, all) => (name === 'run' || name === '' || all.includes(name) ? all : [name, ...all]);
  return html`<div class="knobs" role="region" aria-label="Charts">
    ${zoom ? html`<button type="button" class="mini on" title="whole range (0)" onClick=${() => go({ x0: '', x1: '' })}>${xKind() === 'step' ? `steps ${count(zoom[0])} – ${count(zoom[1])}` : `${num(zoom[0])} – ${num(zoom[1])}`} ×</button>` : null}
    <input id="find" type="search" placeholder="find a chart" value=${at.find.value} onInput=${e => turn({ find: e.target.value })} aria-label="Find a chart" />
    <label>smooth <input type="range" min="0" max="1" step="0.05" value=${smooth} onInput=${e => turn({ s: e.target.value })} aria-valuetext=${smooth.toFixed(2)} /><span class="fix">${smooth.toFixed(2)}</span></label>
    <label>x <select value=${at.x.value} onChange=${e => go({ x: e.target.value, x0: '', x1: '' })}>
      <option value="step">step</option><option value="relative">time since start</option><option value="time">time of day</option>
      <optgroup label="a metric">${known(xKind() === 'metric' ? at.x.value : '', [...metrics].sort((a, b) => /epoch/.test(b) - /epoch/.test(a)).slice(0, 60).map(key => 'metrics.' + key)).map(option)}</optgroup></select></label>
    ${here === 'charts' ? html`<label>colour <select id="colour" value=${at.color.value} onChange=${e => turn({ color: e.target.value })}><option value="run">run</option>${known(at.color.value, columns).map(option)}</select></label>
    <label class="band">band <select value=${at.band.value} title="mean and range of the runs that share a value" onChange=${e => turn({ band: e.target.value })}><option value="">none</option>${known(at.band.value, columns.filter(c => c.startsWith('params.'))).map(option)}</select></label>` : null}</div>`;
}

// What the ramp of colours means.
function Key() {
  const by = at.band.value || at.color.value;
  if (by === 'run') return null;
  runs.rev.value;
  const rows = runs.drawn.value, column = runs.table.get(by);
  if (at.band.value || (column && column.words)) { // one colour a value
    const values = [...new Set(rows.map(row => runs.table.value(by, row)))].map(v => (v === undefined ? 'none' : String(v))).sort(natural);
    const slot = v => (at.band.value ? values.indexOf(v) : column.words.indexOf(v));
    return html`<span class="rampkey"><b class="of">${bare(by)}</b>${values.slice(0, 12).map(v => html`<span key=${v} title=${v}><i style=${{ background: slot(v) < 0 ? ramp(NaN, dark.value) : hue(slot(v), dark.value) }}></i>${v}</span>`)}${values.length > 12 ? '…' : ''}</span>`;
  }
  const range = runs.table.extent(by, runs.drawn.value);
  if (!range) return null;
  return html`<span class="rampkey" aria-label=${`colour: ${bare(by)} from ${num(range[0])} to ${num(range[1])}`}><b class="of">${bare(by)}</b>${num(range[0])}<i class="ramp" style=${{ background: `linear-gradient(90deg,${[0, .25, .5, .75, 1].map(t => ramp(t, dark.value)).join(',')})` }}></i>${num(range[1])}</span>`;
}
