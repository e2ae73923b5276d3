// The parts of the page that touch no page: numbers as text, the address, columns, marks of axes, curves, panels, completion.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { along, over } from '../../src/autotrack/server/static/along.js';
import { shade, styled } from '../../src/autotrack/server/static/ansi.js';
import { flip, join, list, read, write } from '../../src/autotrack/server/static/address.js';
import { labels, logTicks, spanLabels, ticks, timeLabels, timeTicks } from '../../src/autotrack/server/static/axes.js';
import { Columns } from '../../src/autotrack/server/static/columns.js';
import { clauses, field, word } from '../../src/autotrack/server/static/clauses.js';
import { band, constant, decode, ema, nearest, push, usualSpread } from '../../src/autotrack/server/static/curves.js';
import { clause, common, dimension } from '../../src/autotrack/server/static/dimensions.js';
import { delta, natural, num, short, span, took, typed } from '../../src/autotrack/server/static/format.js';
import { slots } from '../../src/autotrack/server/static/palette.js';
import { folded } from '../../src/autotrack/server/static/folds.js';
import { grouped, summary } from '../../src/autotrack/server/static/groups.js';
import { lessIsBetter, sections, shallow } from '../../src/autotrack/server/static/panels.js';
import { area, recognised } from '../../src/autotrack/server/static/recognised.js';
import { look, outliers } from '../../src/autotrack/server/static/view.js';
import { csv, markdown } from '../../src/autotrack/server/static/written.js';

const curve = (x, y, more = {}) => ({ run: 'r', key: 'k', x: Float64Array.from(x), y: Float64Array.from(y), lo: Float64Array.from(y), hi: Float64Array.from(y), n: x.length, flat: true, odd: [], ordered: true, ...more });
const upTo = n => Array.from({ length: n }, (_, i) => i);

test('a measured number has four digits, a typed one all of its own', () => {
  assert.deepEqual([0.123456, 12, 1234567, 0.00012, -0.5, NaN, -Infinity, 0, null].map(num), ['0.1235', '12', '1.23e6', '1.2e−4', '−0.5000', 'NaN', '−∞', '0', '']);
  assert.deepEqual([0.123456, 'adam', true, [1, 2], 1e-7].map(typed), ['0.123456', 'adam', 'true', '[1,2]', '1e−7']);
  assert.deepEqual([1e12, 12345, 0.0001, 1e6].map(short), ['1T', '12.3k', '1e−4', '1M']);
  assert.deepEqual([0.02, 5, 75, 600, 7200, 200000].map(span), ['20 ms', '5 s', '75 s', '10 min', '2.0 h', '2 d']);
  assert.deepEqual([delta(1.1, 1), delta(1, 1), delta(0.5, -1), delta(1, 0)], ['+10 %', '±0.0 %', '+150 %', '']);
});

test('an address is read as it was written, defaults left out', () => {
  const state = read('?e=sentiment/bert&q=metrics.val%2Facc+%3E+0.9&x0=10&x1=20&unknown=1');
  assert.equal(write(state), '?e=sentiment/bert&q=metrics.val/acc+%3E+0.9&x0=10&x1=20');
  assert.deepEqual(read(write(state)), state);
  assert.deepEqual(list(join(['a,b', '50%', 'c%2Cd'])), ['a,b', '50%', 'c%2Cd']);
  assert.equal(flip(flip('a,b', 'c'), 'a'), 'b,c');
});

test('a number of the address that is none leaves its default', () => {
  assert.equal(write(read('?s=abc&draw=-5&x0=foo&x1=NaN')), '?');
  assert.equal(write(read('?s=0&draw=7&x0=-1e3&x1=0')), '?draw=7&s=0&x0=-1e3&x1=0');
});

test('no two labels of an axis are alike, however far it lies and however near its marks', () => {
  for (const [a, b] of [[0, 1], [0, 1000], [1e12, 1e12 + 50], [0.5, 0.50001], [1e-9, 3e-9], [-5e6, 5e6], [0.1, 0.3], [9990, 10010], [123456.1, 123456.2], [0, 1e300]]) {
    const marks = ticks(a, b, 6), texts = labels(marks);
    assert.ok(marks.length >= 2 && marks.length <= 14, `${a}…${b}: ${marks.length}`);
    assert.equal(new Set(texts).size, texts.length, `${a}…${b}: ${texts}`);
    assert.ok(texts.every(t => t.length <= 18), `${a}…${b}: ${texts}`);
  }
  assert.deepEqual(labels([0, 0.5, 1]), ['0', '0.5', '1.0']);
  assert.deepEqual(labels([0, 50000, 100000]), ['0', '50k', '100k']);
  assert.deepEqual(logTicks(0.001, 10), [0.001, 0.01, 0.1, 1, 10]);
  assert.deepEqual(spanLabels([0, 3600, 7200]), ['0 h', '1 h', '2 h']);
  assert.deepEqual(spanLabels(timeTicks(3, 400, 5)), ['2 min', '4 min', '6 min']);
});

test('marks of time stand on whole hours of the clock', () => {
  const marks = timeTicks(1700000000, 1700040000, 6);
  assert.ok(marks.every(v => v % 3600 === 0) && marks.length >= 3);
  assert.equal(new Set(timeLabels(marks)).size, marks.length);
});

test('rows are ordered by several keys, what lacks a value comes last, texts as a person counts', () => {
  const c = new Columns();
  c.merge({ number: [3, 2, 1], id: ['c', 'b', 'a'], name: ['net10', 'net9', 'net9'], status: ['finished', 'failed', 'finished'], started: [30, 20, 10], ended: [31, null, 15], error: [null, 'x', null], parent: [null, null, null], kind: ['', '', ''] });
  c.put('metrics.acc', { rows: [3, 1], values: [0.5, 0.7] });
  c.put('params.opt', { rows: [1, 2, 3], words: ['sgd', 'adam'], codes: [0, 1, 1] });
  const ids = keys => c.order(null, keys).map(row => c.id[row]).join('');
  assert.equal(ids(['-metrics.acc']), 'acb');
  assert.equal(ids(['metrics.acc']), 'cab');
  assert.equal(ids(['name', '-created']), 'bac');
  assert.equal(ids(['params.opt', 'created']), 'bca');
  assert.equal(ids(['-duration']), 'acb');
  assert.deepEqual(c.order(new Set([1]), []).map(row => c.id[row]), ['a']);
  assert.deepEqual(c.extent('metrics.acc', [0, 1, 2]), [0.5, 0.7]);
});

test('a live run is a row more, and rows never move', () => {
  const c = new Columns();
  c.merge({ number: [1], id: ['a'], name: ['one'], status: ['running'], started: [1], ended: [null] });
  c.put('metrics.loss', { rows: [1], values: [0.3] });
  for (let n = 2; n < 200; n++) assert.equal(c.merge({ number: [n], id: ['r' + n], name: ['x'], status: ['running'], started: [n], ended: [null] }), true);
  assert.equal(c.merge({ number: [1], id: ['a'], name: ['one'], status: ['finished'], started: [1], ended: [9] }), false);
  assert.deepEqual([c.byId.get('a'), c.status[0], c.value('metrics.loss', 0), c.value('metrics.loss', 150)], [0, 'finished', 0.3, undefined]);
  c.set('metrics.loss', 150, 7);
  assert.equal(c.value('metrics.loss', 150), 7);
  c.set('metrics.loss', 151, 'auto');
  assert.deepEqual([c.value('metrics.loss', 150), c.value('metrics.loss', 151), c.value('metrics.loss', 0)], ['7', 'auto', '0.3']);
});

test('smoothing keeps its value at one x when curves are thinned and when they are zoomed with their run-up', () => {
  const x = upTo(4000), y = x.map(i => Math.sin(i / 300) + (i % 2 ? .1 : -.1)), all = curve(x, y), tau = constant(.6, 4000), at = 2500;
  const here = ema(all, tau)[at];
  const buckets = x.filter(i => i % 8 === 7), thin = curve(buckets, buckets.map(i => y.slice(i - 7, i + 1).reduce((a, v) => a + v) / 8));
  assert.ok(Math.abs(ema(thin, tau)[nearest(thin, at)] - here) < .02);
  const lead = Math.ceil(4 * tau), from = 2400 - lead, zoom = curve(x.slice(from, 2700), y.slice(from, 2700));
  assert.ok(Math.abs(ema(zoom, tau)[nearest(zoom, at)] - here) < .02);
  assert.equal(ema(all, 0), all.y);
});

test('a gap of NaN stays a gap, and smoothing goes on after it', () => {
  const s = curve([0, 1, 2, 3], [1, NaN, 1, 1]);
  const e = ema(s, 2);
  assert.deepEqual([...e].map(v => +v.toFixed(3)), [1, NaN, 1, 1]);
});

test('one wrong step in a bucket and one in a smoothed curve are both found', () => {
  const x = upTo(500), wide = curve(x, x.map(() => 1), { flat: false, lo: Float64Array.from(x, () => .9), hi: Float64Array.from(x, i => (i === 321 ? 50 : 1.1)) });
  assert.ok(wide.hi[321] - wide.lo[321] > 4 * usualSpread(wide));
  const flat = curve(x, x.map(i => (i === 77 ? 40 : Math.sin(i / 50))));
  assert.ok(outliers(flat, 20, false).includes(77));
  const many = Array.from({ length: 20 }, (_, k) => curve(x, x.map(i => (k === 3 && i === 77 ? 40 : Math.sin(i / 50)))));
  assert.ok(look(many, { range: null, y: null, log: false, tau: 20, kind: 'step' }, 600, 240).d > 40);
});

test('a live point is appended, replaces its step, falls into the last bucket, or asks for the curve again', () => {
  const s = curve([0, 1, 2], [5, 6, 7]);
  assert.equal(push(s, 3, 3, 8), true);
  assert.equal(push(s, 3, 3, 9), true);
  assert.equal(push(s, 1, 1, 0), false);
  assert.equal(push(s, 4, 4, null), true);
  assert.deepEqual([s.n, [...s.x.subarray(0, 5)], s.y[3], s.odds], [5, [0, 1, 2, 3, 4], 9, 1]);
  const b = curve([63, 127], [1, 2], { flat: false, shift: 6 });
  assert.equal(push(b, 128, 128, 5), true);
  assert.equal(push(b, 130, 130, 1), true);
  assert.deepEqual([b.n, b.x[2], b.y[2], b.lo[2], b.hi[2]], [3, 130, 3, 1, 5]);
  assert.equal(push(b, 200, 1700000000, 1), false);
});

test('an answer of curves is read as it was packed', () => {
  const head = new TextEncoder().encode(JSON.stringify({ series: [{ run: 'a', key: 'k', n: 2, flat: true }, { run: 'b', key: 'k', n: 1, flat: false, odd: [3] }], pending: 0 }));
  const room = Math.ceil((4 + head.length) / 8) * 8, buffer = new ArrayBuffer(room + 8 * 8), bytes = new Uint8Array(buffer);
  bytes.fill(32, 4, room);
  new DataView(buffer).setUint32(0, room - 4, true);
  bytes.set(head, 4);
  new Float64Array(buffer, room).set([0, 1, .5, .25, 7, 1, .5, 2]);
  const { series: [a, b] } = decode(buffer);
  assert.deepEqual([[...a.x], [...a.y], a.lo === a.y, [...b.lo], [...b.hi], b.odd], [[0, 1], [.5, .25], true, [.5], [2], [3]]);
});

test('a band is the mean and range of its curves where they are', () => {
  const b = band([curve([0, 10], [0, 10]), curve([0, 10], [10, 20]), curve([5, 10], [100, 100])], 11);
  assert.deepEqual([b.y[0], b.lo[0], b.hi[0], b.hi[10], b.members], [5, 0, 10, 100, 3]);
});

test('a chart shows one point, no point, and a true logarithm', () => {
  const flat = curve(upTo(50), upTo(50).map(i => (i % 2 ? 3 : 3 + 4e-16)));
  assert.ok(look([flat], { range: null, y: null, log: false, tau: 2, kind: 'step' }, 400, 200).ys.length > 1);
  assert.deepEqual(ticks(3, 3 + 4e-16, 5), []);
  for (const series of [[], [curve([5], [1])], [curve([], [])], [curve([0, 1], [NaN, NaN])]]) {
    const v = look(series, { range: null, y: null, log: false, tau: 0, kind: 'step' }, 400, 200);
    assert.ok(v.b > v.a && v.d > v.c && v.ys.length > 1);
  }
  const v = look([curve([0, 1, 2], [0, .001, 10])], { range: null, y: null, log: true, tau: 0, kind: 'step' }, 400, 200);
  assert.ok(Math.abs(v.py(.1) - (v.py(.001) + v.py(10)) / 2) < 1e-6);
  assert.equal(v.py(0), v.base);
  assert.ok(Math.abs(v.toX(v.px(3)) - 3) < 1e-9);
});

test('train and val of one name share a panel; metrics first, system last', () => {
  assert.deepEqual(sections(['system/cpu', 'train/loss', 'val/loss', 'lr', 'optim/norm', 'd_loss', 'val/top/five']).map(s => [s.section, s.panels.map(p => [p.title, p.keys])]), [
    ['metrics', [['loss', ['val/loss', 'train/loss']], ['d_loss', ['d_loss']], ['lr', ['lr']]]],
    ['optim', [['optim/norm', ['optim/norm']]]],
    ['top', [['top/five', ['val/top/five']]]],
    ['system', [['system/cpu', ['system/cpu']]]],
  ]);
  assert.deepEqual(['val/loss', 'acc', 'foo'].map(lessIsBetter), [true, false, null]);
});

test('repeated fits lie under their first, what ran inside a run lies under it, and nothing is lost however deep', () => {
  const table = { id: ['search', 'a', 'b', 'fit3', 'fit2', 'fit1', 'inner', 'alone', 'orphan'], parent: [null, 'search', 'search', null, null, null, 'a', null, 'gone'], fold: ['', '', '', 'x', 'x', 'x', '', '', ''] };
  const rows = upTo(9), told = open => folded(rows, table, new Set(open)).map(({ row, more, inside }) => (inside ? '·' : '') + table.id[row] + (more ? '+' + more : ''));
  assert.deepEqual(told([]), ['search+2', 'fit3+2', 'alone', 'orphan']);
  assert.deepEqual(told(['search', 'a', 'fit3']), ['search+2', '·a+1', '·inner', '·b', 'fit3+2', '·fit2', '·fit1', 'alone', 'orphan']);
});

test('groups stand in the order in which the sorted lines bring them', () => {
  const items = [2, 0, 1, 3].map(row => ({ row })), value = row => ['adam', 'sgd', 'sgd', undefined][row];
  const told = shut => grouped(items, value, new Set(shut)).map(item => (item.head ? [item.head.key, item.head.rows] : item.row));
  assert.deepEqual(told([]), [['sgd', [2, 1]], 2, 1, ['adam', [0]], 0, ['', [3]], 3]);
  assert.deepEqual(told(['sgd']), [['sgd', [2, 1]], ['adam', [0]], 0, ['', [3]], 3]);
  assert.deepEqual(summary([1, 3, NaN, undefined]), { n: 2, mean: 2, min: 1, max: 3 });
  assert.equal(summary([NaN]), null);
});

test('a run keeps its colour, and the ninth takes a dash', () => {
  const kept = slots([1, 9, 17], new Map());
  assert.equal(new Set(kept.values()).size, 3);
  assert.deepEqual([...slots([9], kept)], [...kept]);
  const nine = slots(upTo(9), new Map());
  assert.equal(new Set(nine.values()).size, 9);
  assert.ok(Math.max(...nine.values()) >= 8);
});

test('fields and words are written as the query language wants them', () => {
  assert.deepEqual(['metrics.val/acc', 'metrics.my loss', 'metrics.loss.min', 'metrics.val/loss@min', 'params.a.b', 'tags.a`b', 'created', 'status'].map(field),
    ['metrics.val/acc', 'metrics.`my loss`', 'metrics.`loss.min`', 'metrics.val/loss.min', 'params.a.b', 'tags.`a``b`', 'started', 'status']);
  assert.equal(word("o'neil"), "'o''neil'");
  assert.deepEqual(clauses("a > 1 and b = 'x'"), ['a > 1', "b = 'x'"]);
  assert.equal(clauses('a > 1 and (b = 1 or c = 2)').length, 1);
});

test('printed colours are kept, other controls are not, a progress bar shows what it wrote last', () => {
  assert.deepEqual(styled('a \x1b[1;31mred\x1b[0m b\x1b[2K\x1b]0;title\x07\x08\n10%\r50%\r90%\n\x1b[32mx\x1b[39m'), [
    { text: 'a ', classes: '' }, { text: 'red', classes: 'a-bold a-red' }, { text: ' b\n90%\n', classes: '' }, { text: 'x', classes: 'a-green' }]);
});

test('colours of 256 and of 24 bits, grounds and their exchange are kept, with semicolons and with colons; what is no colour changes nothing', () => {
  const told = text => styled(text).map(({ text, classes, colours }) => [text, classes, ...(colours || [])]);
  assert.deepEqual(told('\x1b[38;5;208ma\x1b[38;2;1;2;3mb\x1b[38:2::4:5:6mc\x1b[38;5;244md\x1b[38;5;9me\x1b[90mf\x1b[39mg'), [
    ['a', '', [255, 135, 0], 'ground'], ['b', '', [1, 2, 3], 'ground'], ['c', '', [4, 5, 6], 'ground'], ['d', '', [128, 128, 128], 'ground'], ['e', 'a-red'], ['f', 'a-grey'], ['g', '']]);
  assert.deepEqual(told('\x1b[1;37;41ma\x1b[48;5;16mb\x1b[49;39;22mc\x1b[103md\x1b[0;31;7me\x1b[27mf'), [
    ['a', 'a-bold', 7, 1], ['b', 'a-bold', 7, [0, 0, 0]], ['c', ''], ['d', '', 'ink', 11], ['e', '', 'ground', 1], ['f', 'a-red']]);
  assert.deepEqual(told('\x1b[38;5;300;48;2;1ma\x1b[58;5;1;32mb'), [['a', ''], ['b', 'a-green']]);
  assert.deepEqual(told('\x1b[41ma\nb\x1b[0m\rc').map(piece => piece.slice(0, 2)), [['a\n', ''], ['c', '']]);
});

test('every printed colour can be read on its ground in both themes, and one that could be stays as it was told', () => {
  const light = css => /\d+,\d+,\d+/.exec(css)[0].split(',').map(v => (v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  for (const dark of [false, true]) for (const ink of ['ink', 'ground', ...upTo(16), [0, 0, 0], [255, 255, 0], [118, 118, 118]]) for (const ground of ['ground', 'ink', ...upTo(16), [117, 117, 117], [0, 0, 255]]) {
    const { color, backgroundColor } = shade([ink, ground], dark), [low, high] = [light(color), light(backgroundColor || (dark ? 'rgb(16,18,22)' : 'rgb(247,247,245)'))].sort((a, b) => a - b);
    assert.ok((high + .05) / (low + .05) >= 4.5, `${ink} on ${ground}, ${dark ? 'dark' : 'light'}: ${color} on ${backgroundColor}`);
  }
  assert.deepEqual(shade([[255, 255, 255], [0, 0, 0]], false), { color: 'rgb(255,255,255)', backgroundColor: 'rgb(0,0,0)' });
  assert.deepEqual(shade([[10, 20, 30], 'ground'], false), { color: 'rgb(10,20,30)', backgroundColor: '' });
  const css = readFileSync(new URL('../../src/autotrack/server/static/style.css', import.meta.url), 'utf8'); // inverse: the page's own two, as they are there
  const named = name => [...css.matchAll(new RegExp(`--${name}: #(..)(..)(..)[; ]`, 'g'))].map(([, ...hex]) => `rgb(${hex.map(v => parseInt(v, 16))})`);
  for (const i of [0, 1]) assert.deepEqual(shade(['ground', 'ink'], i === 1), { color: named('wash')[i], backgroundColor: named('ink')[i] });
});

test('what is copied cannot be a formula, and a table keeps its columns', () => {
  assert.equal(csv([['a', '=1+1'], ['x,y', -2]]), "a,'=1+1\n\"x,y\",-2\n");
  assert.equal(csv([['-0.5', '-1e-3', '-2+3', '+']]), "-0.5,-1e-3,'-2+3,'+\n"); // a number that came as text stays one
  assert.equal(markdown(['a|b'], [['x\ny']]), '| a\\|b |\n| --- |\n| x y |\n');
  assert.equal(markdown(['a'], [['x\ry\r\nz']]), '| a |\n| --- |\n| x y z |\n');
});

const tableOf = (columns, rows, cut = false) => ({ columns, rows, cut });

test('a confusion matrix is known by its columns, its classes stand as they came, numbers by size', () => {
  const shape = recognised(tableOf(['actual', 'predicted', 'count'], [['low', 'low', 5], ['low', 'high', 1], ['high', 'high', 3], ['high', 'odd', 1]]));
  assert.deepEqual([shape.kind, shape.classes, shape.counts, shape.total, shape.right], ['confusion', ['low', 'high', 'odd'], [[5, 1, 0], [0, 3, 1], [0, 0, 0]], 10, 8]);
  assert.deepEqual(recognised(tableOf(['predicted', 'actual'], [[10, 9], [9, 9], [9, 9]])).counts, [[2, 1], [0, 0]]);
  assert.deepEqual(recognised(tableOf(['actual', 'predicted', 'count'], [['10', '9', '4'], ['9', '9', '2']])).classes, ['9', '10']);
});

test('what is no confusion matrix stays a table: a regression, a part of the examples, too many classes, one more column', () => {
  assert.equal(recognised(tableOf(['actual', 'predicted'], [[1.5, 1.25], [2.5, 2.75]])), null);
  assert.equal(recognised(tableOf(['actual', 'predicted'], [['1.5', '1.25']])), null);
  assert.equal(recognised(tableOf(['actual', 'predicted'], [['a', 'b']], true)), null);
  assert.equal(recognised(tableOf(['actual', 'predicted'], upTo(61).map(i => [i, i]))), null);
  assert.equal(recognised(tableOf(['actual', 'predicted', 'text'], [['a', 'b', 'meh']])), null);
  assert.equal(recognised(tableOf(['actual', 'predicted', 'count'], [['a', 'b', -1]])), null);
  assert.equal(recognised(tableOf(['actual', 'predicted', 'count'], [])), null);
});

test('ROC and precision-recall curves are known, one for each class, with the area as scikit-learn computes it', () => {
  const roc = recognised(tableOf(['fpr', 'tpr', 'threshold'], [[0, 0, Infinity], [0, 0.5, 0.8], [0.5, 0.5, 0.4], [0.5, 1, 0.35], [1, 1, 0.1]]));
  assert.deepEqual([roc.kind, roc.curves.length, roc.curves[0].area, roc.curves[0].threshold[3]], ['roc', 1, 0.75, 0.35]);
  const pr = recognised(tableOf(['class', 'recall', 'precision'], [['a', 1, 0.5], ['a', 1, 2 / 3], ['a', 0.5, 0.5], ['a', 0.5, 1], ['a', 0, 1], ['b', 1, 1], ['b', 0, 1]]));
  assert.deepEqual([pr.kind, pr.curves.map(c => c.name)], ['pr', ['a', 'b']]);
  assert.ok(Math.abs(pr.curves[0].area - 0.8333333) < 1e-6); // average_precision_score([0, 0, 1, 1], [.1, .4, .35, .8])
  assert.deepEqual(recognised(tableOf(['fpr', 'tpr'], [['0', '0'], ['1', '1']])).curves[0].area, 0.5);
});

test('of a part of a curve, or of one that runs to and fro, no area is told; a rate beyond 1 is none', () => {
  assert.equal(recognised(tableOf(['fpr', 'tpr'], [[0, 0], [1, 1]], true)).curves[0].area, null);
  assert.equal(area('roc', { x: [0, 0.5], y: [0, 1] }), null);
  assert.equal(area('roc', { x: [0, 0.6, 0.5, 1], y: [0, 0.5, 0.7, 1] }), null);
  assert.equal(recognised(tableOf(['fpr', 'tpr'], [[0, 0], [1, 2]])), null);
  assert.equal(recognised(tableOf(['fpr', 'tpr', 'a', 'b'], [[0, 0, 1, 1]])), null);
});

test('a metric as x has the value it had last, of wider buckets that of the last whole one', () => {
  const points = (steps, values) => ({ steps, shift: 0, last: values }), epochs = { steps: [3, 7, 10], shift: 2, last: [0, 1, 2] };
  assert.deepEqual([...along({ steps: [3, 7, 9], shift: 2 }, points([4, 8, 11, 12], [1, 2, 3, 4]))], [NaN, 1, 3]);
  assert.deepEqual([...along({ steps: [2, 3, 6, 7, 10, 20], shift: 0 }, epochs)], [NaN, 0, 0, 1, 1, 2]);
  assert.deepEqual([...along({ steps: [3, 7, 9], shift: 2 }, epochs)], [0, 1, 2]);
});

test('what has no place on an axis is left out, with the marks of what was not finite there', () => {
  const y = [1, NaN, 3, NaN], s = over({ steps: [0, 1, 2, 3], y, lo: [0, NaN, 2, NaN], hi: [2, NaN, 4, NaN], odd: [1, 3] }, [5, 4, NaN, 7]);
  assert.deepEqual([[...s.x], [...s.y], [...s.hi], s.lo === s.y, s.odd, s.ordered, s.first, s.last, s.n], [[5, 4, 7], [1, NaN, NaN], [2, NaN, NaN], false, [4, 7], false, 4, 7, 3]);
});

test('a brush over None and NaN asks for them as the query language does', () => {
  const dim = dimension({ words: ['adam', 'NaN', 'None'], codes: [0, 1, 2] }, [0, 1, 2]);
  assert.deepEqual(dim.words, ['adam', 'NaN', 'None']);
  assert.equal(clause(dim, 'params.opt', word, 0, .2), "params.opt = 'adam'");
  assert.equal(clause(dim, 'params.opt', word, .4, 1), "(params.opt in ('NaN', 'None') or params.opt is null or params.opt = nan)");
});

test('a brush over numbers names the outermost of those that it keeps, in all their digits', () => {
  const values = [1 / 3, 1 / 3 + 1e-6, 1 / 3 + 2e-6, 1 / 3 + 3e-6, NaN, Infinity], dim = dimension({ values: Float64Array.from(values) }, [0, 1, 2, 3, 4, 5]);
  assert.equal(clause(dim, 'params.x', word, .2, .7), `params.x between ${values[1]} and ${values[2]}`);
  assert.equal(clause(dim, 'params.x', word, -.02, 1.02), `params.x between ${values[0]} and ${values[3]}`);
});

test('axes that few runs have are left out, or stand alone where no axis is common', () => {
  const values = (...v) => ({ values: Float64Array.from(v) }), columns = [
    { name: 'rare', column: values(1, NaN, NaN, NaN) }, { name: 'all', column: values(1, 2, 3, 4) }, { name: 'half', column: { words: ['a'], codes: [-1, -1, 0, 0] } }, { name: 'three', column: values(NaN, 1, 1, 1) }];
  assert.deepEqual(common(columns, [0, 1, 2, 3], 2), ['all', 'half']);
  assert.deepEqual(common(columns, [1, 2, 3], 9), ['all', 'half', 'three']);
  assert.deepEqual(common([columns[0], { name: 'none', column: values(NaN, NaN, NaN, NaN) }], [0, 1, 2, 3], 9), ['rare']);
});

test('a live NaN in a column of numbers leaves it one', () => {
  const c = new Columns();
  c.merge({ number: [1], id: ['a'], name: ['one'], status: ['running'], started: [1], ended: [null] });
  c.put('params.lr', { rows: [1], values: [0.3] });
  c.set('params.lr', 0, 'NaN');
  assert.equal(c.get('params.lr').words, undefined);
  c.set('params.lr', 0, 'None');
  assert.equal(c.value('params.lr', 0), 'None');
});

test('a clock that was set back makes no negative duration', () => {
  const c = new Columns();
  c.merge({ number: [1, 2], id: ['a', 'b'], name: ['one', 'two'], status: ['finished', 'running'], started: [100, 100], ended: [40, null] });
  assert.deepEqual([c.value('duration', 0), c.value('duration', 1), c.get('duration').values[0], took(100, 40), took(40, 100)], [0, undefined, 0, '0 ms', '60 s']);
});

test('NaN is shown as NaN and not as a missing value, and both come last', () => {
  const c = new Columns();
  c.merge({ number: [1, 2, 3, 4], id: ['a', 'b', 'c', 'd'], name: ['a', 'b', 'c', 'd'], status: ['finished', 'finished', 'finished', 'finished'], started: [1, 2, 3, 4], ended: [1, 2, 3, 4] });
  c.put('metrics.loss', { rows: [1, 2, 4], values: [0.5, null, 0.25] });
  const shown = () => [0, 1, 2, 3].map(row => c.value('metrics.loss', row)), order = key => c.order(null, [key]).map(row => c.id[row]).join('');
  assert.deepEqual(shown(), [0.5, NaN, undefined, 0.25]);
  assert.deepEqual([order('metrics.loss'), order('-metrics.loss')], ['dacb', 'adcb']);
  assert.deepEqual([c.set('metrics.loss', 2, NaN), c.set('metrics.loss', 2, NaN), c.set('metrics.loss', 1, null), c.set('metrics.loss', 1, undefined), c.set('metrics.loss', 3, 'NaN')], [true, false, true, false, true]);
  assert.deepEqual(shown(), [0.5, undefined, NaN, NaN]);
  assert.equal(c.set('metrics.loss', 2, 7), true);
  for (let n = 5; n < 200; n++) c.merge({ number: [n], id: ['r' + n], name: ['x'], status: ['running'], started: [n], ended: [null] });
  assert.deepEqual(shown(), [0.5, undefined, 7, NaN]);
  c.set('metrics.loss', 0, 'best');
  assert.deepEqual(shown(), ['best', undefined, '7', 'NaN']);
});

test('an axis has an end also where values are as large or as small as a float can be', () => {
  const most = Number.MAX_VALUE, least = Number.MIN_VALUE;
  for (const values of [[most, -most, most], [1, most], [-most, -1], [least, 2 * least], [least, most], [0, least], [1e300, 1e300]]) {
    const [s] = [curve(values.map((_, i) => i), values)];
    for (const [log, y] of [[false, null], [true, null], [true, [0, Infinity]], [false, [-Infinity, Infinity]]]) {
      const v = look([s], { range: null, y, log, tau: 0, kind: 'step' }, 400, 200);
      assert.ok(Number.isFinite(v.d - v.c) && v.d > v.c, `${values} ${log} ${y}: ${v.c} to ${v.d}`);
      assert.ok(values.every(value => !Number.isNaN(v.py(value))), `${values} ${log} ${y}`);
      assert.ok(v.ys.length < 30 && v.texts.every(text => text.length < 24), `${values} ${log} ${y}: ${v.texts}`);
    }
  }
});

test('values that groups share stand by their size, words after them', () => {
  assert.deepEqual(['0.1', '10', 'none', '0.01', '-3', 'resnet18', '1', 'resnet9', '0.001'].sort(natural), ['-3', '0.001', '0.01', '0.1', '1', '10', 'none', 'resnet9', 'resnet18']);
});

test('names with numbers stand in the order of the numbers', () => {
  assert.deepEqual(shallow(['net.extra10', 'extra10', 'extra2', 'extra1', 'net.extra9']), ['extra1', 'extra2', 'extra10', 'net.extra9', 'net.extra10']);
});

test('a band marks where values of its curves were not finite, also where they all were', () => {
  const some = { ...curve([0, 1, 2], [1, NaN, 3]), odd: [1] }, none = { ...curve([], []), odd: [1, 4] };
  assert.deepEqual(band([some, none]).odd, [1, 4]);
  const only = band([none]), v = look([only], { range: null, y: null, log: false, tau: 0, kind: 'step' }, 400, 200);
  assert.deepEqual([only.n, v.a, v.b], [0, 1, 4]);
});
