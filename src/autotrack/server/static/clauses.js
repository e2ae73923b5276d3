// Parts of queries as the query language wants them written. What they mean, the server alone knows.

const PLAIN = /^[^\s()'"`,=<>!]+$/, STATISTIC = /\.(last|min|max|first|mean|count)$/;

// A column's name on this page (`metrics.val/loss@min`) -> the field: metrics.val/loss.min, metrics.`my loss`.
export function field(column) {
  const dot = column.indexOf('.');
  if (dot < 0) return column === 'created' ? 'started' : column;
  const group = column.slice(0, dot), told = group === 'metrics' && /^(.*)@(last|min|max|mean|first|count)$/.exec(column.slice(dot + 1));
  const key = told ? told[1] : column.slice(dot + 1), plain = PLAIN.test(key) && !(group === 'metrics' && STATISTIC.test(key)) && !key.startsWith('.');
  return `${group}.${plain ? key : '`' + key.replaceAll('`', '``') + '`'}${told ? '.' + told[2] : ''}`;
}

export const word = text => `'${String(text).replaceAll("'", "''")}'`;

// The clauses of a query that are joined by `and` alone; one clause if it is not that simple.
export function clauses(q) {
  const parts = q.split(/\s+and\s+/i);
  return /[()]|\bor\b|between|['"`][^'"`]*\sand\s/i.test(q) ? [q] : parts;
}
