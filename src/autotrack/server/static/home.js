// Home: the experiments as a tree, what runs now, what failed last.

import { useEffect } from 'preact/hooks';
import * as api from './api.js';
import { Teach } from './empty.js';
import { ago, count, plural, took } from './format.js';
import { html } from './html.js';
import * as runs from './runs.js';
import { at, elsewhere, go, link, signal } from './state.js';

const overview = signal(null), problem = signal('');
export const experiments = signal([]);

let due = 0, busy = false;
async function refresh() {
  if (busy) return;
  busy = true;
  try {
    overview.value = await api.home();
    experiments.value = overview.value.experiments;
    problem.value = '';
  } catch (error) { problem.value = error.message; }
  busy = false;
}
// What is live says that something changed; the overview is asked for again, at most every two seconds.
runs.listeners.add(change => { if (change.runs.length || change.anew) due ||= setTimeout(() => { due = 0; refresh(); }, 2000); });
refresh();

const open = name => ({ ...elsewhere, e: name, tab: 'charts' });
const follow = to => e => { if (!e.ctrlKey && !e.metaKey) { e.preventDefault(); go(to); } };

// Levels of the names: {name, label, depth, own}, a folder before what lies in it, newest first.
export function tree(list) {
  const nodes = new Map();
  for (const x of list) {
    const parts = x.name.split('/');
    for (let depth = 0; depth < parts.length; depth++) {
      const name = parts.slice(0, depth + 1).join('/'), own = depth === parts.length - 1;
      if (!nodes.has(name)) nodes.set(name, { name, label: parts[depth], depth, runs: 0, running: 0, failed: 0, newest: 0, days: null, kids: 0, root: parts[0] });
      const node = nodes.get(name);
      node.runs += x.runs; node.running += x.running; node.failed += x.failed;
      node.newest = Math.max(node.newest, x.newest);
      node.days = node.days ? node.days.map((n, i) => n + x.days[i]) : [...x.days];
      if (!own) node.kids++;
    }
  }
  const newest = name => nodes.get(name).newest, path = n => n.name.split('/').map((_, i, parts) => parts.slice(0, i + 1).join('/'));
  return [...nodes.values()].sort((a, b) => {
    const p = path(a), q = path(b);
    for (let i = 0; i < Math.min(p.length, q.length); i++) if (p[i] !== q[i]) return newest(q[i]) - newest(p[i]) || (p[i] < q[i] ? -1 : 1);
    return p.length - q.length;
  });
}

function Days({ days, label }) {
  const most = Math.max(1, ...days), w = 4;
  return html`<svg class="days" width=${days.length * w} height="20" role="img" aria-label=${label}>${days.map((n, i) => html`<rect key=${i} x=${i * w} width=${w - 1} y=${20 - (n ? Math.max(2, n / most * 20) : 1)} height=${n ? Math.max(2, n / most * 20) : 1} class=${n ? 'some' : 'none'} />`)}</svg>`;
}

export function Home() {
  useEffect(() => { refresh(); }, []);
  const d = overview.value;
  if (!d) return html`<div class="empty">${problem.value ? html`<h2>The server does not answer</h2><p>${problem.value}</p>` : null}</div>`;
  if (!d.experiments.length) return html`<${Teach} title="Nothing recorded yet"><p>This store is empty: <code>${d.store}</code></p></${Teach}>`;
  const nodes = tree(d.experiments);
  return html`<div class="home pane"><section class="card"><h2>Experiments <em>${plural(d.experiments.length, 'experiment')}, ${plural(d.runs, 'run')}</em></h2>
      <table class="tree"><thead><tr><th>name</th><th class="num">runs</th><th class="num">running</th><th class="num" title="in the last 24 hours">failed</th><th>30 days</th><th class="num">newest</th></tr></thead>
      <tbody>${nodes.map(n => html`<tr key=${n.name}><td title=${n.name} style=${{ paddingLeft: 14 + n.depth * 18 + 'px' }}><a href=${link(open(n.name))} onClick=${follow(open(n.name))}>${n.label}</a>${n.kids ? html`<span class="note"> ${n.kids}</span>` : null}</td>
        <td class="num">${count(n.runs)}</td><td class="num">${n.running ? html`<span class="st running">${n.running}</span>` : ''}</td><td class="num">${n.failed ? html`<span class="st failed">${n.failed}</span>` : ''}</td>
        <td><${Days} days=${n.days} label=${`runs a day: ${n.days.join(', ')}`} /></td><td class="num note">${ago(n.newest)}</td></tr>`)}</tbody></table></section>
    <div class="beside">
      <section class="card"><h2>Running <em>${d.running.length || ''}</em></h2>${d.running.length ? html`<ul class="briefs">${d.running.map(r => html`<${Brief} key=${r.id} run=${r} />`)}</ul>` : html`<p class="quiet">Nothing is running.</p>`}</section>
      <section class="card"><h2>Last failures</h2>${d.failed.length ? html`<ul class="briefs">${d.failed.slice(0, 8).map(r => html`<${Brief} key=${r.id} run=${r} />`)}</ul>` : html`<p class="quiet">No run failed.</p>`}</section>
      <p class="note store">${d.store} · autotrack ${d.version}</p></div></div>`;
}

function Brief({ run }) {
  const to = { ...elsewhere, e: run.experiment, tab: 'run', run: run.id }, running = run.status === 'running';
  return html`<li><a href=${link(to)} onClick=${follow(to)}><span class=${'st ' + run.status}><span class="hid">${run.status}</span></span><b>${run.name}</b><span class="note">${run.experiment}</span>
    <em>${running ? 'for ' + took(run.started) : ago(run.ended || run.started)}</em></a>${run.error ? html`<code class="bad">${run.error}</code>` : null}</li>`;
}
