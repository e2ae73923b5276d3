// The state of the page is its address; all else is computed from it and from the runs. What lives for a moment (pointer, open menus) is here too.

import { batch, computed, effect, signal, untracked } from '@preact/signals';
import { DEFAULT, read, write } from './address.js';

export const url = signal(read(location.search));
addEventListener('popstate', () => { clearTimeout(timer); url.value = read(location.search); });

let timer = 0;
const commit = method => history[method](null, '', write(url.value));

// A place one comes back to (view, run, zoom, full screen).
export function go(change) {
  if (timer) { clearTimeout(timer); timer = 0; commit('replaceState'); }
  url.value = { ...url.value, ...change };
  commit('pushState');
}

// A turn of a knob (sort, smoothing, typing): the place stays. Browsers limit how often an address may change.
export function turn(change) {
  url.value = { ...url.value, ...change };
  clearTimeout(timer);
  timer = setTimeout(() => { timer = 0; commit('replaceState'); }, 150);
}

export const at = Object.fromEntries(Object.keys(DEFAULT).map(name => [name, computed(() => url.value[name])]));
export const link = change => write({ ...url.value, ...change });

// What a change of experiment leaves behind.
export const elsewhere = { q: '', run: '', hide: '', pick: '', base: '', x0: '', x1: '', cols: '', axes: '', big: '', color: 'run', band: '', log: '', find: '', y: '', fold: '', group: '', sort: DEFAULT.sort };

export const hover = signal(''); // id of the run under the pointer, in all charts and lists
export const cursor = signal(null); // x under the pointer, in all charts
export const help = signal(false);
export const online = signal('wait'); // 'wait', 'ok', 'gone'
export const toast = signal(null); // {text, undo}
export const panelAt = signal(''); // the chart that keys speak to
export const eager = signal(false); // panels exist far from the screen too, so that all can be printed
export const listOpen = signal(false); // on a phone

const stored = (() => { try { return localStorage.getItem('autotrack.theme'); } catch { return null; } })();
export const theme = signal(stored || 'auto');
const media = matchMedia('(prefers-color-scheme: dark)'), systemDark = signal(media.matches);
media.addEventListener('change', () => { systemDark.value = media.matches; });
export const dark = computed(() => theme.value === 'dark' || (theme.value === 'auto' && systemDark.value));
effect(() => { document.documentElement.dataset.theme = dark.value ? 'dark' : 'light'; });
export function flipTheme() {
  theme.value = dark.value ? 'light' : 'dark';
  remember('theme', theme.value);
}

// Small things kept in this browser; a browser that keeps nothing is no fault.
export function remember(name, value) {
  try { localStorage.setItem('autotrack.' + name, typeof value === 'string' ? value : JSON.stringify(value)); } catch { /* private window */ }
}
export function recall(name, otherwise) {
  try { return JSON.parse(localStorage.getItem('autotrack.' + name)) ?? otherwise; } catch { return otherwise; }
}

let hide = 0;
export function say(text, undo = null) {
  clearTimeout(hide);
  toast.value = { text, undo };
  hide = setTimeout(() => { toast.value = null; }, undo ? 8000 : 3500);
}

export { batch, computed, effect, signal, untracked };
