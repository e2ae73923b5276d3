// Tables that say more as a picture: a confusion matrix, ROC curves, precision-recall curves. Their columns tell, whatever wrote them. Pure.

const CLASSES = 60, CURVES = 20;
const SHAPES = { roc: ['fpr', 'tpr'], pr: ['recall', 'precision'] };

// {kind: 'confusion', actual, predicted, counts, total, right}, {kind: 'roc' | 'pr', curves: [{name, x, y, threshold, area}]}, or null.
export const recognised = table => (table.rows.length ? confusion(table) || rates(table) : null);

// Columns `actual`, `predicted` and `count`; without `count` each row is one example, and all of them must be here.
function confusion({ columns, rows, cut }) {
  const [a, p, n] = ['actual', 'predicted', 'count'].map(name => columns.indexOf(name));
  if (a < 0 || p < 0 || cut || columns.length !== (n < 0 ? 2 : 3)) return null;
  const known = [...new Set(rows.map(row => row[a]))], cells = new Map();
  const classes = ordered([...new Set([...known, ...rows.map(row => row[p])])]), place = new Map(classes.map((name, i) => [name, i]));
  if (classes.length > CLASSES || !classes.every(isClass)) return null;
  for (const row of rows) {
    const many = n < 0 ? 1 : number(row[n]), key = place.get(row[a]) * classes.length + place.get(row[p]);
    if (!(many >= 0)) return null;
    cells.set(key, (cells.get(key) || 0) + many);
  }
  const counts = classes.map((_, i) => classes.map((_, j) => cells.get(i * classes.length + j) || 0)), total = sum(counts.flat());
  return { kind: 'confusion', classes, counts, total, right: sum(classes.map((_, i) => counts[i][i])) };
}

// Classes are names or whole numbers; what a regression predicts is neither.
const isClass = v => typeof v === 'boolean' || (typeof v === 'string' ? v !== '' && !(v.includes('.') && Number.isFinite(+v)) : Number.isInteger(v));
// As they came; numbers by size.
const ordered = classes => (classes.every(v => Number.isFinite(number(v))) ? classes.sort((p, q) => number(p) - number(q)) : classes);

// The two rates, `threshold` if it is there, and at most one column more, which names the curve that a row belongs to.
function rates({ columns, rows, cut }) {
  for (const [kind, [xName, yName]] of Object.entries(SHAPES)) {
    const x = columns.indexOf(xName), y = columns.indexOf(yName), t = columns.findIndex(name => /^thresholds?$/.test(name)), others = columns.map((_, i) => i).filter(i => i !== x && i !== y && i !== t);
    if (x < 0 || y < 0 || others.length > 1) continue;
    const curves = new Map(), within = v => v >= 0 && v <= 1 + 1e-9;
    for (const row of rows) {
      const name = others.length ? String(row[others[0]]) : '', a = number(row[x]), b = number(row[y]);
      if (!within(a) || !within(b)) return null;
      if (!curves.has(name)) curves.set(name, { name, x: [], y: [], threshold: [] });
      const curve = curves.get(name);
      curve.x.push(a);
      curve.y.push(b);
      curve.threshold.push(t < 0 || row[t] === null || row[t] === '' ? null : Number(row[t]));
    }
    if (curves.size > CURVES) return null;
    return { kind, xName, yName, curves: [...curves.values()].map(curve => ({ ...curve, area: cut ? null : area(kind, curve) })) };
  }
  return null;
}

// Of a whole curve: the area below a ROC curve by trapezoids, the average precision by steps (as scikit-learn's auc and average_precision_score).
export function area(kind, { x, y }) {
  const whole = Math.min(...x) === 0 && Math.max(...x) === 1, up = x.every((v, i) => !i || v >= x[i - 1]), down = x.every((v, i) => !i || v <= x[i - 1]);
  if (!whole || !(up || down)) return null;
  let total = 0;
  for (let i = 1; i < x.length; i++) total += Math.abs(x[i] - x[i - 1]) * (kind === 'roc' ? (y[i] + y[i - 1]) / 2 : x[i] > x[i - 1] ? y[i] : y[i - 1]);
  return total;
}

const number = v => (typeof v === 'number' ? v : typeof v === 'string' && v.trim() ? Number(v) : NaN);
const sum = all => all.reduce((a, v) => a + v, 0);
