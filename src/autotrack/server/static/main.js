// Boot and frame: the bar, the tabs, and the view that the address names.

import { render } from 'preact';
import { Charts, Knobs } from './charts.js';
import { count } from './format.js';
import { Home, experiments } from './home.js';
import { html } from './html.js';
import { listen } from './keys.js';
import { Query } from './query.js';
import * as runs from './runs.js';
import { at, dark, effect, elsewhere, flipTheme, go, help, link, listOpen, online, signal, toast, untracked } from './state.js';

// A view's module comes when it is first shown, or when the browser has time: the first screen waits for none but its own.
let dress = null;
const dressed = () => (dress ||= new Promise((done, fail) => {
  const sheet = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: './more.css', onload: done, onerror: fail });
  document.head.append(sheet);
}));

const idle = act => setTimeout(() => (globalThis.requestIdleCallback || setTimeout)(act), 3000);

let away = false; // whether the server was gone while this page was open
effect(() => { away ||= online.value === 'gone'; });

function later(load, name) {
  const there = signal(null), missed = signal(false);
  const get = () => Promise.all([load(), dressed()]).then(([module]) => { there.value = module[name]; }, () => { missed.value = true; });
  const View = () => {
    if (there.value) return html`<${there.value} />`;
    if (!missed.value) get();
    else if (away && online.value === 'ok') location.reload(); // a page never asks again for a module that failed; the address has the rest
    return null;
  };
  idle(get);
  return View;
}

// A view that comes later (models, sweeps) is a line here.
const TABS = [
  ['charts', 'Charts', Charts],
  ['table', 'Table', later(() => import('./table.js'), 'Table')],
  ['compare', 'Compare', later(() => import('./compare.js'), 'Compare')],
  ['hyper', 'Hyperparameters', later(() => import('./hyper.js'), 'Hyper')],
];
const Help = later(() => import('./help.js'), 'Help');
const VIEWS = new Map([...TABS.map(([tab, , View]) => [tab, View]), ['run', later(() => import('./run.js'), 'Run')], ['home', Home]]);
const tabHere = () => (VIEWS.has(at.tab.value) ? at.tab.value : at.e.value || at.q.value ? 'charts' : 'home');

function Link({ to, children, ...rest }) {
  return html`<a ...${rest} href=${link(to)} onClick=${e => { if (!e.ctrlKey && !e.metaKey && !e.shiftKey) { e.preventDefault(); go(to); } }}>${children}</a>`;
}

function Bar() {
  const names = experiments.value.map(x => x.name), here = at.e.value, tops = [...new Set(names.filter(n => n.includes('/')).map(n => n.split('/')[0]))].filter(n => !names.includes(n));
  const all = [...names, ...tops, here].filter((n, i, list) => n && list.indexOf(n) === i).sort((a, b) => a.localeCompare(b));
  const running = runs.running.value, state = online.value;
  return html`<header class="bar">
    <${Link} class="logo" to=${{ ...elsewhere, e: '', tab: '' }} aria-label="autotrack, home"><img src="./icon.svg" width="18" height="18" alt="" /><span>autotrack</span></${Link}>
    <select class="experiment" value=${here} aria-label="Experiment" onChange=${e => go({ ...elsewhere, e: e.target.value, tab: 'charts' })}><option value="">all experiments</option>${all.map(n => html`<option key=${n} value=${n}>${n}</option>`)}</select>
    <${Query} />
    <span class="live" role="status" title=${state === 'ok' ? 'changes appear as they are written' : state === 'gone' ? 'the server does not answer; trying again' : 'connecting'}><i class=${'lamp ' + state + (running ? ' busy' : '')}></i>${state === 'gone' ? 'trying again' : running ? count(running) + ' running' : 'live'}</span>
    <button type="button" class="mini" title="dark, light (t)" aria-label=${dark.value ? 'light theme' : 'dark theme'} onClick=${flipTheme}>◐</button>
    <button type="button" class="mini" title="keys (?)" aria-label="Keys" aria-expanded=${help.value} onClick=${() => { help.value = !help.value; }}>?</button></header>`;
}

function Tabs({ here }) {
  const ticked = runs.picked.value.size;
  return html`<div class="tabs"><button type="button" class="mini for-phone" aria-expanded=${listOpen.value} onClick=${() => { listOpen.value = !listOpen.value; }}>runs</button>
    <nav aria-label="Views">${TABS.map(([tab, label]) => html`<${Link} key=${tab} class="tab" to=${{ tab, big: '' }} aria-current=${here === tab ? 'page' : undefined}>${label}${tab === 'compare' && ticked ? html` <i>${ticked}</i>` : null}</${Link}>`)}</nav>
    ${here === 'charts' ? html`<${Knobs} />` : null}</div>`;
}

function Toast() {
  const t = toast.value;
  if (!t) return null;
  return html`<div class="toast" role="status">${t.text}${t.undo ? html`<button type="button" onClick=${() => { toast.value = null; t.undo(); }}>undo</button>` : null}</div>`;
}

function Waiting() {
  return html`<div class="empty">${runs.failed.value ? html`<h2>The server does not answer</h2><p>${runs.failed.value}</p><p>The page tries again by itself. Is <code>autotrack ui</code> still running?</p>` : null}</div>`;
}

function App() {
  const here = tabHere(), View = VIEWS.get(here), ready = runs.ready.value || here === 'home';
  return html`<div class=${'shell view-' + here}><${Bar} /><${Tabs} here=${here} /><main class=${'main-' + here}>${here === 'run' ? null : html`<h1 class="hid">${at.e.value || 'autotrack'}</h1>`}${ready ? html`<${View} />` : html`<${Waiting} />`}</main><${Toast} />${help.value ? html`<${Help} />` : null}</div>`;
}

listen();
idle(() => import('./printing.js').catch(() => {}));
effect(() => { const name = at.e.value; untracked(() => runs.open(name)); });
effect(() => { document.title = (tabHere() === 'run' && runs.ready.value ? runs.table.name[runs.byId(at.run.value)] + ' · ' : at.e.value ? at.e.value + ' · ' : '') + 'autotrack'; });
render(html`<${App} />`, document.getElementById('app'));
