// Lines of the table under heads: one head a value of a column, in the order in which the sorted lines bring them. Pure.

// items: [{row, …}]; valueOf(row): the value to group by. -> [{head: {value, rows, shut}} or an item]
export function grouped(items, valueOf, shut) {
  const groups = new Map();
  for (const item of items) {
    const value = valueOf(item.row), key = value === undefined ? '' : String(value);
    if (!groups.has(key)) groups.set(key, { value, key, items: [] });
    groups.get(key).items.push(item);
  }
  const out = [];
  for (const { value, key, items: mine } of groups.values()) {
    out.push({ head: { value, key, rows: mine.map(item => item.row), shut: shut.has(key) } });
    if (!shut.has(key)) out.push(...mine);
  }
  return out;
}

// Mean, least and greatest of the finite numbers among some values; null if there are none.
export function summary(values) {
  const found = values.filter(Number.isFinite);
  if (!found.length) return null;
  return { n: found.length, mean: found.reduce((a, v) => a + v, 0) / found.length, min: found.reduce((a, v) => Math.min(a, v), Infinity), max: found.reduce((a, v) => Math.max(a, v), -Infinity) };
}
