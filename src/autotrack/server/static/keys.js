// The keyboard: one table, which the help shows and the listener reads. Keys rest while somebody types.

import { flip } from './address.js';
import { at, flipTheme, go, help, hover, listOpen, panelAt, turn } from './state.js';
import * as runs from './runs.js';

const runHere = () => hover.value || at.run.value;
const open = tab => () => go({ tab });

function walk(by) {
  const rows = runs.shown.value.map(item => runs.table.id[item.row]), i = rows.indexOf(at.tab.value === 'run' ? at.run.value : hover.value);
  const id = rows[Math.max(0, Math.min(rows.length - 1, i + by))];
  if (!id) return;
  if (at.tab.value === 'run') turn({ run: id });
  else hover.value = id;
}

function panelStep(by) {
  const all = [...document.querySelectorAll('.panel')], i = all.findIndex(el => el.dataset.title === panelAt.value), next = all[Math.max(0, Math.min(all.length - 1, i + by))];
  if (!next) return;
  panelAt.value = next.dataset.title;
  if (at.big.value) go({ big: panelAt.value });
  next.scrollIntoView({ block: 'nearest' });
  next.querySelector('canvas.top')?.focus({ preventScroll: true });
}

const panelEl = () => [...document.querySelectorAll('.panel')].find(el => el.dataset.title === panelAt.value);

function out() {
  if (help.value) help.value = false;
  else if (listOpen.value) listOpen.value = false;
  else if (at.big.value) go({ big: '' });
  else if (at.x0.value !== '') go({ x0: '', x1: '' });
  else if (at.tab.value === 'run') go({ tab: 'charts', run: '' });
  else if (at.q.value) go({ q: '' });
}

export const KEYS = [
  ['/', 'filter', () => document.getElementById('q')?.focus()],
  ['1', 'charts', open('charts')], ['2', 'table', open('table')], ['3', 'compare', open('compare')], ['4', 'hyperparameters', open('hyper')], ['5', 'home', open('home')],
  ['j', 'next run', () => walk(1)], ['k', 'previous run', () => walk(-1)],
  ['Enter', 'open the run under the pointer', () => hover.value && go({ tab: 'run', run: hover.value })],
  ['x', 'tick the run', () => runHere() && runs.tick(runHere())],
  ['c', 'compare what is ticked', open('compare')],
  ['b', 'make the run the baseline', () => runHere() && turn({ base: at.base.value === runHere() ? '' : runHere() })],
  ['h', 'hide the run', () => hover.value && turn({ hide: flip(at.hide.value, hover.value) })],
  ['i', 'show this run alone', () => hover.value && turn({ hide: isolated(hover.value) })],
  ['l', 'logarithmic axis', () => panelAt.value && turn({ log: flip(at.log.value, panelAt.value) })],
  ['s', 'more smoothing, then none', () => turn({ s: String(+at.s.value >= .75 ? 0 : +at.s.value >= .35 ? .75 : .35) })],
  ['0', 'whole range', () => go({ x0: '', x1: '' })],
  ['f', 'full screen', () => panelAt.value && go({ big: at.big.value ? '' : panelAt.value })],
  ['[', 'previous chart', () => panelStep(-1)], [']', 'next chart', () => panelStep(1)],
  ['e', 'export the chart', () => panelEl()?.querySelector('.tools [data-menu]')?.click()],
  ['t', 'dark, light', flipTheme],
  ['?', 'these keys', () => { help.value = !help.value; }],
  ['Escape', 'one level out', out],
];
const ACTION = new Map(KEYS.map(([key, , action]) => [key, action]));

// All drawn runs hidden but one; the same key again brings them back.
function isolated(id) {
  const others = runs.drawn.value.map(row => runs.table.id[row]).filter(one => one !== id);
  return others.length ? [...runs.hidden.value, ...others].join(',') : '';
}

export function listen() {
  addEventListener('keydown', e => {
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') { e.preventDefault(); document.getElementById('q')?.focus(); return; }
    if ((e.ctrlKey || e.metaKey) && e.key === 'p') { e.preventDefault(); import('./printing.js').then(it => it.printAll(), () => print()); return; }
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
    const typing = e.target.closest?.('input:not([type=checkbox],[type=range]),select,textarea,[contenteditable]');
    if (typing) return;
    if (e.key === 'Enter' && e.target !== document.body) return;
    const action = ACTION.get(e.key);
    if (!action) return;
    e.preventDefault();
    action();
  });
}
