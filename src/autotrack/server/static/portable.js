// The exported page: the dashboard's list, charts and comparison over the runs that it carries. No server, no query box, nothing to edit.

import { render } from 'preact';
import { run, told } from './kept.js'; // the same module as api.js here
import { join } from './address.js';
import { Charts, Grid, Knobs } from './charts.js';
import { Compare } from './compare.js';
import { Metrics, Pairs, Params } from './facts.js';
import { moment, plural, took } from './format.js';
import { html } from './html.js';
import { listen } from './keys.js';
import { List } from './list.js';
import './printing.js';
import * as runs from './runs.js';
import { at, dark, eager, flipTheme, go, listOpen, toast, turn } from './state.js';

const TABS = { charts: 'Charts', compare: 'What differs' }, one = told.runs.id.length === 1;

function Run({ id }) {
  const it = run(id);
  return html`<${List} /><div class="pane" tabindex="-1"><h1>${it.name}</h1>
    <p><span class=${'st ' + it.status}>${it.status}</span> <span class="note">${moment(it.started)}${it.ended ? ' · ' + took(it.started, it.ended) : ''}</span></p>
    ${it.error ? html`<pre class="bad">${it.error}</pre>` : null}
    <${Grid} only=${[id]} keys=${told.series.filter(s => s.run === id).map(s => s.key)} />
    <section class="card scrolls-x"><h2>Metrics</h2><${Metrics} run=${it} /></section>
    <section class="card scrolls-x"><h2>Parameters</h2><${Params} run=${it} /></section>
    ${['tags', 'code', 'environment'].map(name => html`<section key=${name} class="card scrolls-x"><h2>${name}</h2><${Pairs} pairs=${Object.entries(it[name])} /></section>`)}</div>`;
}

function View({ here }) {
  if (here === 'run') return html`<${Run} key=${at.run.value} id=${at.run.value} />`;
  return here === 'compare' ? html`<${Compare} />` : html`<${Charts} />`;
}

function App() {
  const known = runs.byId(at.run.value) !== undefined, here = at.tab.value === 'run' && known ? 'run' : !one && at.tab.value === 'compare' ? 'compare' : 'charts';
  const thinned = told.series.some(s => s.shift), t = toast.value;
  return html`<div class=${'shell view-' + here}><header class="bar"><b class="logo"><span>autotrack</span></b><span class="note">${plural(told.runs.id.length, 'run')}, exported ${moment(told.now)}${thinned ? `; long curves as mean and range of at most ${told.points} buckets` : ''}</span>
      <button type="button" class="mini" title="dark, light (t)" aria-label=${dark.value ? 'light theme' : 'dark theme'} onClick=${flipTheme}>◐</button></header>
    <div class="tabs"><button type="button" class="mini for-phone" aria-expanded=${listOpen.value} onClick=${() => { listOpen.value = !listOpen.value; }}>runs</button>
      <nav aria-label="Views">${Object.entries(TABS).filter(([tab]) => tab !== 'compare' || !one).map(([tab, label]) => html`<button type="button" key=${tab} class="tab" aria-current=${here === tab ? 'page' : undefined} onClick=${() => go({ tab, big: '' })}>${label}</button>`)}
        ${one ? html`<button type="button" class="tab" aria-current=${here === 'run' ? 'page' : undefined} onClick=${() => go({ tab: 'run', run: told.runs.id[0], big: '' })}>Parameters and metrics</button>` : null}</nav><${Knobs} /></div>
    <main class=${'main-' + here}>${runs.ready.value ? html`<${View} here=${here} />` : null}</main>${t ? html`<div class="toast" role="status">${t.text}</div>` : null}</div>`;
}

listen();
if (!at.pick.peek()) turn({ pick: join(told.compare.runs.map(r => r.id)) });
document.title = (one ? told.runs.name[0] : plural(told.runs.id.length, 'run')) + ' · autotrack';
runs.open('exported/' + told.runs.id.join()).then(() => render(html`<${App} />`, document.getElementById('app')));
setTimeout(() => { eager.value = true; }, 500); // all that can be printed exists
