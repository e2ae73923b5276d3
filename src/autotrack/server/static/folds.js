// Which lines a list of runs has: repeated fits of one line of code, and the runs inside another one, lie folded under one. Pure.

const DEEP = 50;

// rows in their order; table: {id, parent, fold} by row; open: ids of the lines that are unfolded. -> [{row, more, inside}]
export function folded(rows, table, open) {
  const parents = new Set(), here = new Set();
  for (const row of rows) { here.add(table.id[row]); if (table.parent[row]) parents.add(table.parent[row]); }
  const group = row => (here.has(table.parent[row]) ? 'in:' + table.parent[row] : table.fold[row] ? 'of:' + table.fold[row] : '');
  const heads = new Map();
  for (const row of rows) if (parents.has(table.id[row])) heads.set('in:' + table.id[row], { row, members: [] });
  for (const row of rows) {
    const key = group(row);
    if (!key) continue;
    if (!heads.has(key)) heads.set(key, { row, members: [] }); // the first of its kind stands for all
    else heads.get(key).members.push(row);
  }
  const out = [];
  const walk = (row, depth) => {
    const own = heads.get('in:' + table.id[row]), same = heads.get(group(row)), members = [...(own ? own.members : []), ...(same && same.row === row ? same.members : [])];
    out.push({ row, more: members.length, inside: depth > 0 });
    if (members.length && depth < DEEP && open.has(table.id[row])) for (const member of members) walk(member, depth + 1);
  };
  for (const row of rows) {
    const key = group(row);
    if (!key || heads.get(key).row === row) walk(row, 0);
  }
  return out;
}
