// The page's whole state as a query string: defaults left out, `/` and `,` readable.

export const DEFAULT = {
  e: '', tab: '', run: '', q: '', sort: '-created', draw: '30', s: '0.35', x: 'step', x0: '', x1: '', log: '', find: '', color: 'run', band: '',
  cols: '', pick: '', base: '', axes: '', big: '', hide: '', shut: '', y: '', fold: '', group: '',
};

// What a number must be; one that somebody mistyped is as if it were not there.
const NUMBERS = { draw: n => n >= 1, s: n => n >= 0 && n <= 1, x0: Number.isFinite, x1: Number.isFinite };

export function read(search) {
  const state = { ...DEFAULT };
  for (const [name, value] of new URLSearchParams(search)) if (name in DEFAULT && (!(name in NUMBERS) || NUMBERS[name](+value))) state[name] = value;
  return state;
}

export function write(state) {
  const query = new URLSearchParams();
  for (const name in DEFAULT) if (String(state[name]) !== DEFAULT[name]) query.set(name, state[name]);
  return '?' + query.toString().replaceAll('%2F', '/').replaceAll('%2C', ',').replaceAll('%40', '@');
}

// Lists in one value: names may hold commas.
export const list = text => text.split(',').filter(Boolean).map(item => item.replaceAll('%2C', ',').replaceAll('%25', '%'));
export const join = items => [...items].map(item => String(item).replaceAll('%', '%25').replaceAll(',', '%2C')).join(',');

export function flip(text, item) {
  const items = list(text), at = items.indexOf(String(item));
  if (at < 0) items.push(item);
  else items.splice(at, 1);
  return join(items);
}
