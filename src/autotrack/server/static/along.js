// What a carried curve is drawn over where no server computes it. Pure.

// The last step of the bucket in which a step lies.
const end = (step, shift) => (shift ? (Math.floor(step / 2 ** shift) + 1) * 2 ** shift - 1 : step);

// At each of a curve's buckets the value that another metric of the run had last when the bucket ended; NaN before its first. As the store
// answers; but of a curve in wider buckets it is the value at the end of the last whole one.
export function along(curve, other) {
  const x = new Float64Array(curve.steps.length).fill(NaN);
  let j = -1;
  curve.steps.forEach((step, i) => {
    const until = end(step, curve.shift);
    while (j + 1 < other.steps.length && end(other.steps[j + 1], other.shift) <= until) j++;
    if (j >= 0) x[i] = other.last[j];
  });
  return x;
}

// A curve as charts take it, {x, y, lo, hi, n, odd, ordered, first, last}, over `x`: what has no place there is left out.
export function over({ steps, y, lo, hi, odd }, x) {
  const rows = [...steps.keys()].filter(i => Number.isFinite(x[i])), pick = column => Float64Array.from(rows, i => column[i]), at = pick(x), flat = lo === y, mean = pick(y);
  const [first, last] = at.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  return { x: at, y: mean, lo: flat ? mean : pick(lo), hi: flat ? mean : pick(hi), n: at.length, odd: odd.map(i => x[i]).filter(Number.isFinite), ordered: at.every((v, i) => !i || v >= at[i - 1]), first, last };
}
