// Charts and tables written as text: SVG, CSV, Markdown, Python. Pure.

const escape = text => String(text).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);

// A chart as it is drawn: vectors, its own colours, a title and a legend of at most twenty.
export function svgOf(chart, smoothed, title) {
  const v = chart.view, { ink } = chart, legend = chart.series.slice(0, 20), h = v.h + 24 + 16 * legend.length, out = [];
  out.push(`<svg xmlns="http://www.w3.org/2000/svg" width="${v.w}" height="${h}" viewBox="0 -24 ${v.w} ${h}" font-family="system-ui, sans-serif" font-size="10.5">`);
  out.push(`<rect y="-24" width="${v.w}" height="${h}" fill="${escape(ink.paper)}"/><text x="8" y="-8" font-size="13" font-weight="600" fill="${escape(ink.ink)}">${escape(title)}</text>`);
  v.ys.forEach((y, i) => out.push(`<path d="M${f(v.pad.l)} ${f(v.py(y))}H${f(v.w - v.pad.r)}" stroke="${escape(ink.grid)}"/><text x="${f(v.pad.l - 6)}" y="${f(v.py(y) + 3.5)}" text-anchor="end" fill="${escape(ink.soft)}">${escape(v.texts[i])}</text>`));
  v.xs.forEach((x, i) => out.push(`<text x="${f(v.px(x))}" y="${f(v.base + 16)}" text-anchor="middle" fill="${escape(ink.soft)}">${escape(v.xTexts[i])}</text>`));
  out.push(`<clipPath id="c"><rect x="${f(v.pad.l)}" width="${f(v.width)}" height="${f(v.base + 1)}"/></clipPath><g clip-path="url(#c)" fill="none" stroke-linejoin="bevel">`);
  for (const s of chart.series) {
    if (!s.flat) out.push(`<path d="${path(v, s, s.hi)}L${backwards(v, s)}Z" fill="${escape(s.color)}" fill-opacity=".15"/>`);
    out.push(`<path d="${path(v, s, smoothed(s))}" stroke="${escape(s.color)}" stroke-width="1.5"${s.dash && s.dash.length ? ` stroke-dasharray="${s.dash.join(' ')}"` : ''}/>`);
    for (const x of s.odd || []) out.push(`<path d="M${f(v.px(x) - 4)} ${f(v.base)}h8l-4 -8Z" fill="${escape(ink.bad)}"/>`);
  }
  out.push('</g>');
  legend.forEach((s, i) => out.push(`<rect x="8" y="${v.h + 4 + 16 * i}" width="9" height="9" rx="2" fill="${escape(s.color)}"/><text x="22" y="${v.h + 12 + 16 * i}" fill="${escape(ink.ink)}">${escape(s.label)}</text>`));
  out.push('</svg>');
  return out.join('\n');
}

const f = v => String(+v.toFixed(1));

function path(v, s, y) {
  let out = '', down = false;
  for (let i = s.i; i < s.j; i++) {
    if (!Number.isFinite(y[i])) { down = false; continue; }
    out += (down ? 'L' : 'M') + f(v.px(s.x[i])) + ' ' + f(v.py(y[i]));
    down = true;
  }
  return out;
}

function backwards(v, s) {
  const out = [];
  for (let i = s.j - 1; i >= s.i; i--) if (Number.isFinite(s.lo[i])) out.push(f(v.px(s.x[i])) + ' ' + f(v.py(s.lo[i])));
  return out.join('L');
}

const cell = v => {
  const text = v === undefined || v === null ? '' : String(v), safe = typeof v === 'string' && /^[=+\-@\t\r]/.test(text) && Number.isNaN(+text) ? "'" + text : text; // no formulas in a spreadsheet
  return /[",\n\r]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
};

export const csv = rows => rows.map(row => row.map(cell).join(',')).join('\n') + '\n';

export function markdown(head, rows) {
  const text = v => (v === undefined || v === null ? '' : String(v)).replaceAll('|', '\\|').replace(/\s*[\r\n]\s*/g, ' ');
  return [head, head.map(() => '---'), ...rows].map(row => '| ' + row.map(text).join(' | ') + ' |').join('\n') + '\n';
}

// The points that the chart has: a bucket with its mean, least and most.
export function csvOf(series, xName) {
  const rows = [['run', 'key', xName, 'value', 'min', 'max']];
  for (const s of series) for (let i = 0; i < s.n; i++) rows.push([s.run || s.label, s.key, s.x[i], s.y[i], s.lo[i], s.hi[i]]);
  return csv(rows);
}

export function markdownOf(series, xName) {
  const last = s => s.n - 1;
  return markdown(['run', 'points', 'first ' + xName, 'last ' + xName, 'last value', 'least', 'greatest'], series.filter(s => s.n).map(s => [
    s.label, s.count ?? s.n, s.x[0], s.x[last(s)], s.y[last(s)], least(s), most(s)]));
}

const least = s => s.lo.subarray(0, s.n).reduce((a, v) => (v < a ? v : a), Infinity);
const most = s => s.hi.subarray(0, s.n).reduce((a, v) => (v > a ? v : a), -Infinity);

export function pythonOf(ids, keys, title, log) {
  const quote = text => JSON.stringify(text);
  return `import autotrack
import matplotlib.pyplot as plt

for run_id in [${ids.map(quote).join(', ')}]:
    run = autotrack.get_run(run_id)
    for key in [${keys.map(quote).join(', ')}]:
        if key in run.statistics:
            curve = run.history(key)
            plt.plot(curve.steps, curve.values, label=f"{run.name} {key}")
plt.title(${quote(title)})
plt.xlabel("step")${log ? '\nplt.yscale("log")' : ''}
plt.legend()
plt.show()
`;
}
