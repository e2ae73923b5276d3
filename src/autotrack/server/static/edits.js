// Changes that a person makes: shown at once, sent, taken back if the server refuses, and undone from the toast.

import * as api from './api.js';
import { plural } from './format.js';
import * as runs from './runs.js';
import { say, turn } from './state.js';

const rowsOf = ids => ids.map(runs.byId).filter(row => row !== undefined);

async function attempt(apply, send, back, told) {
  apply();
  runs.rev.value++;
  try {
    await send();
    say(told, () => attempt(back.apply, back.send, { apply, send }, 'undone'));
  } catch (error) {
    back.apply();
    runs.rev.value++;
    say(`not changed: ${error.message}`);
  }
}

// A field of the run itself: name or notes.
export function setField(id, field, value) {
  const row = runs.byId(id), before = runs.table[field][row] ?? '';
  if (value === before || (field === 'name' && !value.trim())) return;
  const put = v => () => { runs.table[field][row] = v; }, send = v => () => api.edit([id], { [field]: v });
  attempt(put(value), send(value), { apply: put(before), send: send(before) }, field === 'name' ? 'renamed' : 'notes kept');
}

// A tag on any number of runs; '' or null takes it off.
export async function setTag(ids, key, value) {
  const name = 'tags.' + key, rows = rowsOf(ids);
  try {
    if (!runs.table.columns.has(name)) Object.entries(await api.columns('', [name])).forEach(([n, column]) => runs.table.put(n, column));
  } catch (error) {
    say(`not changed: ${error.message}`);
    return;
  }
  if (!runs.facts.value.tags.includes(key)) runs.facts.value = { ...runs.facts.value, tags: [...runs.facts.value.tags, key].sort() };
  const before = rows.map(row => runs.table.value(name, row) ?? null), wanted = value || null;
  const put = values => () => rows.forEach((row, i) => runs.table.set(name, row, values[i]));
  const sendAll = values => async () => {
    for (const v of new Set(values)) await api.edit(ids.filter((_, i) => values[i] === v), { tags: { [key]: v } });
  };
  const after = rows.map(() => wanted);
  attempt(put(after), sendAll(after), { apply: put(before), send: sendAll(before) }, `${key} ${wanted ? 'set' : 'taken off'} on ${plural(ids.length, 'run')}`);
}

export function remove(ids) {
  let gone = ids;
  const hide = () => runs.table.remove(rowsOf(gone)), show = () => { for (const row of rowsOf(gone)) runs.table.gone.delete(row); };
  const send = async () => { const got = await api.remove(ids); gone = got.runs; hide(); runs.rev.value++; }, back = () => api.remove(gone, true);
  attempt(hide, send, { apply: show, send: back }, `${plural(ids.length, 'run')} deleted`);
  turn({ pick: '' });
}
