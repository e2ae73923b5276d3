// One run: what it is, what went wrong, its curves, and beside them everything else that is known of it. Live.

import { useEffect, useState } from 'preact/hooks';
import * as api from './api.js';
import { flip } from './address.js';
import { Edit } from './cells.js';
import { Grid } from './charts.js';
import { Console } from './console.js';
import { Diff } from './diff.js';
import { remove, setField, setTag } from './edits.js';
import { copy } from './empty.js';
import { Metrics, Pairs, Params, Tree } from './facts.js';
import { Files } from './files.js';
import { ago, moment, plural, took } from './format.js';
import { html } from './html.js';
import { List } from './list.js';
import * as runs from './runs.js';
import { at, go, link, turn } from './state.js';

// Everything of a run; asked for again when something of it changed, at most once a second.
function useRun(id) {
  const [state, set] = useState({ id: '', run: null, problem: '' });
  useEffect(() => {
    if (!id) { set({ id, run: null, problem: '' }); return undefined; }
    let over = false, due = 0;
    const load = () => api.run(id).then(run => over || set({ id, run, problem: '' })).catch(error => over || set(s => (error.status === 404 ? { id, run: null, problem: 'There is no such run in this store.' } : { ...s, id, problem: error.message })));
    const live = change => {
      const mine = change.anew || change.runs.some(r => r.id === id || r.parent === id) || change.points.some(p => p[0] === id) || change.stale.some(p => p[0] === id);
      if (mine) due ||= setTimeout(() => { due = 0; load(); }, 1000);
    };
    load();
    runs.listeners.add(live);
    return () => { over = true; clearTimeout(due); runs.listeners.delete(live); };
  }, [id]);
  return state.id === id ? state : { id, run: null, problem: '' };
}

export function Run() {
  const id = at.run.value, { run, problem } = useRun(id), base = useRun(at.base.value && at.base.value !== id ? at.base.value : '').run;
  return html`<${List} />${run ? html`<${Page} key=${id} run=${run} base=${base} />` : html`<div class="empty">${problem ? html`<h2>${problem}</h2>` : null}</div>`}`;
}

function Page({ run, base }) {
  runs.rev.value;
  const row = runs.byId(run.id), { table } = runs, status = row === undefined ? run.status : table.status[row], error = row === undefined ? run.error : table.error[row];
  const curves = Object.keys(run.stats).filter(key => run.stats[key][0] > 1 || run.stats[key][8] || key.startsWith('system/')), { artifacts: files, children } = run, shown = row === undefined ? run.name : table.name[row];
  return html`<article class="run pane" tabindex="-1"><${Head} run=${run} status=${status} name=${shown} row=${row} />
    ${error || run.traceback ? html`<${Failure} error=${error} traceback=${run.traceback} />` : null}
    ${run.dropped ? html`<p class="bad">${plural(run.dropped, 'point')} had no room and are missing from the curves.</p>` : null}
    <div class="two"><div class="curves">${curves.length ? html`<${Grid} only=${[run.id]} keys=${curves} />` : null}
        ${children.length ? html`<${Fold} name="children" title="Inside" n=${children.length}><ul class="briefs">${children.slice(0, 200).map(r => html`<${Child} key=${r.id} run=${r} />`)}</ul>${children.length > 200 ? html`<p class="quiet">and ${children.length - 200} more: filter by <code>parent = '${run.id}'</code></p>` : null}</${Fold}>` : null}
        ${files.length ? html`<${Fold} name="files" title="Artifacts" n=${files.length}><${Files} run=${run} /></${Fold}>` : null}
        <${Fold} name="console" title="Console"><${Console} id=${run.id} status=${status} /></${Fold}></div>
      <aside>
        <${Fold} name="metrics" title="Metrics" n=${Object.keys(run.metrics).length}><${Metrics} run=${run} base=${base} /></${Fold}>
        <${Fold} name="params" title="Parameters" n=${Object.keys(run.params).length}><${Params} run=${run} base=${base} /></${Fold}>
        <${Tags} run=${run} row=${row} />
        <${Fold} name="environment" title="Environment" shut=${true}><${Tree} value=${run.environment} /></${Fold}>
        ${run.environment.git ? html`<${Fold} name="code" title="Code" shut=${true}><${Code} run=${run} /></${Fold}>` : null}
      </aside></div></article>`;
}

function Head({ run, status, name, row }) {
  runs.rev.value;
  const [editing, setEditing] = useState(false), git = run.environment.git || {}, ended = row === undefined ? run.ended : runs.table.ended[row];
  const look = row === undefined ? null : runs.paint.value(row), follow = to => e => { if (!e.ctrlKey && !e.metaKey) { e.preventDefault(); go(to); } };
  const ticked = runs.picked.value.has(run.id), base = at.base.value === run.id;
  return html`<header class="run-head">
    ${run.parents.length ? html`<nav class="note" aria-label="Inside">${run.parents.map(p => html`<a key=${p.id} class="link" href=${link({ run: p.id })} onClick=${follow({ run: p.id })}>${p.name}</a> › `)}</nav>` : null}
    <h1><i class="dot" style=${look ? { background: look.color } : {}}></i>${editing ? html`<${Edit} value=${name} label="name" done=${text => { setEditing(false); if (text !== null) setField(run.id, 'name', text); }} />`
      : html`<span class="prop">${name}<button type="button" class="pen" aria-label="rename" title="rename" onClick=${() => setEditing(true)}>✎</button></span>`}
      <span class=${'st ' + status}>${status}</span></h1>
    <p class="note"><span title=${moment(run.started)}>${ago(run.started)}</span> · ${ended ? took(run.started, ended) : status === 'running' ? 'for ' + took(run.started) : 'end unknown'}${run.experiment ? ' · ' + run.experiment : ''}${run.host ? ' · ' + run.host : ''}${run.user ? ' · ' + run.user : ''}${git.commit ? html` · git <code title=${git.commit}>${String(git.commit).slice(0, 8)}</code>${git.dirty ? ' with changes' : ''}` : null}${run.call_site ? html` · <code>${run.call_site}</code>` : null}</p>
    ${run.deleted ? html`<p class="note">deleted; <code>autotrack rm --undo ${run.id}</code> brings it back until <code>autotrack gc</code> takes it.</p>` : null}
    ${status === 'lost' ? html`<p class="note">lost: its process ended without a word (killed, out of memory, power); what it had recorded is here.</p>` : null}
    <p class="acts"><button type="button" class=${'mini' + (ticked ? ' on' : '')} aria-pressed=${ticked} title="x" onClick=${() => runs.tick(run.id)}>${ticked ? 'ticked' : 'tick'}</button>
      <button type="button" class=${'mini' + (base ? ' on' : '')} aria-pressed=${base} title="b" onClick=${() => turn({ base: base ? '' : run.id })}>baseline</button>
      <button type="button" class="mini" title="the id, for autotrack.get_run" onClick=${() => copy(run.id, 'id copied')}>copy id</button>
      <button type="button" class="mini" onClick=${() => { remove([run.id]); go({ tab: 'charts', run: '' }); }}>delete</button></p></header>`;
}

function Failure({ error, traceback }) {
  return html`<div class="failure">${error ? html`<pre class="bad">${error}</pre>` : null}${traceback ? html`<details open=${traceback.length < 3000}><summary>traceback</summary><pre>${traceback}</pre></details>` : null}</div>`;
}

// A section of what stands beside the curves; open or shut is kept in this tab's address.
function Fold({ name, title, n, shut = false, children }) {
  const key = 'run-' + name, open = at.shut.value.split(',').includes(key) === shut;
  return html`<section class="card fact"><h2><button type="button" aria-expanded=${open} onClick=${() => turn({ shut: flip(at.shut.value, key) })}><i class=${'twist' + (open ? ' open' : '')}></i>${title}${n === undefined ? null : html` <em>${n}</em>`}</button></h2>${open ? children : null}</section>`;
}

function Child({ run }) {
  const to = { run: run.id };
  return html`<li><a href=${link(to)} onClick=${e => { if (!e.ctrlKey && !e.metaKey) { e.preventDefault(); go(to); } }}><span class=${'st ' + run.status}><span class="hid">${run.status}</span></span><b>${run.name}</b><em>${run.ended ? took(run.started, run.ended) : run.status}</em></a></li>`;
}

function Tags({ run, row }) {
  runs.rev.value;
  const [adding, setAdding] = useState(false), [editing, setEditing] = useState('');
  const notes = row === undefined ? run.notes : runs.table.notes[row] ?? run.notes;
  const keys = [...new Set([...Object.keys(run.tags), ...runs.facts.value.tags])], value = key => (row !== undefined && runs.table.columns.has('tags.' + key) ? runs.table.value('tags.' + key, row) : run.tags[key]);
  const here = keys.filter(key => value(key) !== undefined);
  const add = text => {
    setAdding(false);
    const equals = (text || '').indexOf('='), key = (equals < 0 ? text || '' : text.slice(0, equals)).trim();
    if (key) setTag([run.id], key, equals < 0 ? 'true' : text.slice(equals + 1).trim());
  };
  return html`<${Fold} name="tags" title="Tags and notes" n=${here.length || undefined}>
    <ul class="tags">${here.map(key => html`<li key=${key} class="prop">${editing === key ? html`<${Edit} value=${value(key)} label=${key} done=${text => { setEditing(''); if (text !== null) setTag([run.id], key, text.trim()); }} />`
      : html`<button type="button" title="edit; empty takes it off" onClick=${() => setEditing(key)}><b>${key}</b> ${value(key)}</button>`}</li>`)}
      <li>${adding ? html`<${Edit} value="" label="key=value" done=${add} />` : html`<button type="button" class="note" onClick=${() => setAdding(true)}>+ tag (key=value)</button>`}</li></ul>
    <textarea class="notes" rows=${Math.min(12, Math.max(2, (notes || '').split('\n').length))} placeholder="notes" aria-label="notes" defaultValue=${notes || ''} onBlur=${e => setField(run.id, 'notes', e.target.value)}></textarea></${Fold}>`;
}

function Code({ run }) {
  const [diff, set] = useState(null), git = run.environment.git;
  const kept = run.artifacts.some(a => a.name === 'uncommitted.diff');
  useEffect(() => { if (kept) api.diff(run.id).then(set).catch(error => set({ problem: error.message })); }, [run.id]);
  return html`<${Pairs} pairs=${Object.entries(git)} />${!diff ? (kept ? null : html`<p class="quiet">No uncommitted changes.</p>`) : diff.problem ? html`<p class="quiet">${diff.problem}</p>` : html`<${Diff} text=${diff.text} />${diff.cut ? html`<p class="quiet">cut here</p>` : null}`}`;
}
