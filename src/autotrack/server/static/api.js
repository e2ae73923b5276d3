// The only file that talks to the server. What is asked and answered stands at the top of server/api.py.

import { decode } from './curves.js';

class Refused extends Error {
  constructor(status, problem) { super(problem); this.status = status; }
}

// A browser's own words for it say less.
const reach = (...what) => fetch(...what).catch(error => { throw error.name === 'AbortError' ? error : new Error('the server does not answer'); });

async function answer(response) {
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Refused(response.status, told.problem || `the server answered ${response.status}`);
}

async function get(path, query = {}) {
  const wanted = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) for (const v of Array.isArray(value) ? value : [value]) if (v !== '') wanted.append(name, v);
  return (await answer(await reach(`/api/${path}?${wanted}`))).json();
}

const send = (path, body, signal) => reach('/api/' + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal }).then(answer);
const post = async (path, body) => (await send(path, body)).json();

export const home = () => get('home');
export const runs = experiment => get('runs', { experiment });
export const search = (experiment, q) => get('search', { experiment, q });
export const lost = experiment => search(experiment, "status = 'lost'");
export const complete = (experiment, q, at) => get('complete', { experiment, q, at });
export const run = id => get('run/' + encodeURIComponent(id));
export const diff = id => get(`run/${encodeURIComponent(id)}/diff`);
export const print = (id, after) => get(`run/${encodeURIComponent(id)}/console`, { after });
export const preview = (id, name) => get('preview', { run: id, name });
export const file = (id, name) => `/api/file?${new URLSearchParams({ run: id, name })}`;
export const compare = ids => get('compare', { run: ids });
export const importance = (experiment, q, target) => post('importance', { experiment, q, target: address(target) });
export const edit = (ids, change) => post('edit', { runs: ids, ...change });
export const remove = (ids, undo = false) => post('delete', { runs: ids, undo });
export const views = () => get('views');
export const saveView = (name, query) => post('views', { name, query });
export const deleteView = name => post('views/delete', { name });

// A column's name on this page -> as the server wants it: `metrics.val/loss@min` -> ["metrics", "val/loss", "min"].
export function address(column) {
  const dot = column.indexOf('.'), group = column.slice(0, dot), key = column.slice(dot + 1);
  if (group !== 'metrics') return [group, key];
  const told = /^(.*)@(last|min|max|mean|first|count)$/.exec(key);
  return told ? ['metrics', told[1], told[2]] : ['metrics', key, 'last'];
}

// Any number of columns, by their names here: {name: {rows, values} or {rows, words, codes}}.
export async function columns(experiment, names) {
  const found = {};
  for (let i = 0; i < names.length; i += 200) {
    const some = names.slice(i, i + 200), got = await post('columns', { experiment, columns: some.map(address) });
    got.columns.forEach((column, k) => { found[some[k]] = column.kind === 'mixed' ? worded(column) : column; });
  }
  return found;
}

function worded({ rows, values }) {
  const words = [...new Set(values.map(String))], codes = new Map(words.map((word, i) => [word, i]));
  return { rows, words, codes: values.map(v => codes.get(String(v))) };
}

export const series = async (body, signal) => decode(await (await send('series', body, signal)).arrayBuffer());

// What is new, as it comes. A hidden page holds no connection; a shown one goes on where it was. Returns what ends it.
export function live(cursor, on) {
  let source = null, at = cursor, again = 0;
  const open = () => {
    clearTimeout(again);
    if (source || document.hidden) return;
    source = new EventSource('/api/live?cursor=' + encodeURIComponent(at));
    source.onopen = () => on.state('ok');
    source.onerror = () => {
      on.state('gone');
      if (source && source.readyState === EventSource.CLOSED) { source = null; again = setTimeout(open, 2000); }
    };
    source.addEventListener('change', m => { at = m.lastEventId || at; on.change(JSON.parse(m.data)); });
    source.addEventListener('reset', m => { at = m.lastEventId || at; on.reset(); });
  };
  const shut = () => { clearTimeout(again); if (source) source.close(); source = null; };
  const turned = () => (document.hidden ? shut() : open());
  document.addEventListener('visibilitychange', turned);
  open();
  return () => { document.removeEventListener('visibilitychange', turned); shut(); };
}
