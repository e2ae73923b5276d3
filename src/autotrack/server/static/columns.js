// The runs of one experiment as columns. A run is a row; rows never move: filter and sort make arrays of row numbers.
// A column is {values: Float64Array, nan: Set} (NaN: none, or NaN itself where `nan` has the row) or {words: [...], codes: Int32Array} (-1: none). Knows no page and no server.

const ROOM = 64;
const FIELDS = ['name', 'status', 'error', 'started', 'ended', 'parent', 'kind', 'fold', 'host', 'experiment', 'notes'];
const TEXTS = new Set(['name', 'status', 'error', 'id', 'kind', 'host', 'experiment', 'notes']);

export class Columns {
  constructor() {
    this.size = 0;
    Object.assign(this, { id: [], number: [], name: [], status: [], error: [], created: [], ended: [], parent: [], kind: [], fold: [], host: [], experiment: [], notes: [] });
    this.params = [];
    this.metrics = [];
    this.tags = [];
    this.byNumber = new Map();
    this.byId = new Map();
    this.columns = new Map();
  }

  // Adds runs that are new and changes those that are known; `runs` is {number: [], id: [], ...}. Returns whether any was new.
  merge(runs) {
    let fresh = false;
    runs.number.forEach((number, j) => {
      let row = this.byNumber.get(number);
      if (row === undefined) {
        row = this.size++;
        fresh = true;
        this.byNumber.set(number, row);
        this.number[row] = number;
        this.id[row] = runs.id[j];
        this.byId.set(runs.id[j], row);
      }
      for (const field of FIELDS) if (runs[field]) this[field === 'started' ? 'created' : field][row] = runs[field][j];
    });
    if (fresh) for (const [name, column] of this.columns) this.columns.set(name, grown(column, this.size));
    return fresh;
  }

  remove(rows) {
    this.gone ||= new Set();
    for (const row of rows) this.gone.add(row);
  }

  put(name, given) {
    const column = given.words ? { words: [...given.words], codes: new Int32Array(this.size + ROOM).fill(-1) } : { values: new Float64Array(this.size + ROOM).fill(NaN), nan: new Set() };
    given.rows.forEach((number, j) => {
      const row = this.byNumber.get(number);
      if (row === undefined) return;
      if (given.words) column.codes[row] = given.codes[j];
      else place(column, row, given.values[j] ?? NaN);
    });
    this.columns.set(name, column);
  }

  // Sets one value of a column that is here; a word in a column of numbers makes it one of words.
  set(name, row, value) {
    let column = this.columns.get(name);
    if (!column) return false;
    if (typeof value === 'string' && value !== 'NaN' && !column.words) this.columns.set(name, column = worded(column, this.size));
    if (column.words) {
      let code = value === null || value === undefined ? -1 : column.words.indexOf(String(value));
      if (code < 0 && value !== null && value !== undefined) code = column.words.push(String(value)) - 1;
      if (column.codes[row] === code) return false;
      column.codes[row] = code;
      column.ranks = undefined;
      return true;
    }
    return place(column, row, value);
  }

  // Any column by name, those every run has as well; undefined if it is not here.
  get(name) {
    if (TEXTS.has(name)) return { text: this[name] };
    if (name === 'created' || name === 'number' || name === 'ended') return { values: this[name] };
    if (name === 'duration') return { values: this.created.map((start, i) => (this.ended[i] ? Math.max(0, this.ended[i] - start) : NaN)) };
    return this.columns.get(name);
  }

  value(name, row) {
    if (name === 'duration') return this.ended[row] ? Math.max(0, this.ended[row] - this.created[row]) : undefined;
    return valueOf(this.get(name), row);
  }

  extent(name, rows) {
    const column = this.get(name);
    if (!column || !column.values) return null;
    let a = Infinity, b = -Infinity;
    for (const row of rows) {
      const v = column.values[row];
      if (!Number.isFinite(v)) continue;
      if (v < a) a = v;
      if (v > b) b = v;
    }
    return a <= b ? [a, b] : null;
  }

  // Rows that `keep` (a set of numbers, or null: all) lets through, in the order of `keys` (['-metrics.val/acc', 'name']); ties newest first.
  order(keep, keys) {
    const rows = [];
    for (let row = 0; row < this.size; row++) if ((!keep || keep.has(this.number[row])) && !(this.gone && this.gone.has(row))) rows.push(row);
    const tests = keys.map(key => this.comparison(key)).filter(Boolean), { created, number } = this;
    return rows.sort((a, b) => {
      for (const test of tests) { const d = test(a, b); if (d) return d; }
      return created[b] - created[a] || number[b] - number[a];
    });
  }

  comparison(key) {
    const down = key[0] === '-', column = this.get(down ? key.slice(1) : key), sign = down ? -1 : 1;
    if (!column) return null;
    if (column.text) { const rank = ranks(column.text); return (a, b) => sign * (rank.get(column.text[a]) - rank.get(column.text[b])); }
    if (column.words) {
      const rank = column.ranks ||= ranks(column.words), { codes, words } = column;
      return (a, b) => (codes[a] < 0 || codes[b] < 0 ? (codes[a] < 0) - (codes[b] < 0) : sign * (rank.get(words[codes[a]]) - rank.get(words[codes[b]])));
    }
    const { values } = column;
    return (a, b) => {
      const x = values[a], y = values[b], noX = x === null || x !== x, noY = y === null || y !== y;
      return noX || noY ? noX - noY : sign * (x < y ? -1 : x > y ? 1 : 0);
    };
  }
}

// 'NaN' is one; null is no value. Returns whether it is another than before.
function place({ values, nan }, row, value) {
  const given = +(value ?? NaN), odd = given !== given && (value ?? null) !== null;
  if (Object.is(values[row], given) && nan.has(row) === odd) return false;
  values[row] = given;
  nan[odd ? 'add' : 'delete'](row);
  return true;
}

function valueOf(column, row) {
  if (!column) return undefined;
  if (column.text) return column.text[row];
  if (column.words) return column.codes[row] < 0 ? undefined : column.words[column.codes[row]];
  const v = column.values[row];
  return v === v && v !== null || column.nan?.has(row) ? v : undefined;
}

// Texts in the order a person expects: `resnet9` before `resnet18`.
const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
const ranks = texts => new Map([...new Set(texts)].sort((a, b) => collator.compare(a ?? '', b ?? '')).map((text, i) => [text, i]));

function grown(column, size) {
  const cells = column.values || column.codes;
  if (cells.length >= size) return column;
  const more = column.values ? new Float64Array(size * 2).fill(NaN) : new Int32Array(size * 2).fill(-1);
  more.set(cells);
  return { ...column, [column.values ? 'values' : 'codes']: more };
}

function worded(column, size) {
  const words = [], codes = new Int32Array(size + ROOM).fill(-1), known = new Map();
  for (let row = 0; row < size; row++) {
    const v = column.values[row];
    if (v !== v && !column.nan.has(row)) continue;
    const word = String(v);
    if (!known.has(word)) known.set(word, words.push(word) - 1);
    codes[row] = known.get(word);
  }
  return { words, codes };
}
