// The box beside the pointer: the nearest run and its neighbours by value. It hangs on the body, or a scrolling panel would cut it off.

import { num } from './format.js';

const AROUND = 4;

export class Tip {
  constructor() {
    this.box = document.createElement('div');
    this.box.className = 'tip';
    this.box.hidden = true;
    document.body.append(this.box);
  }

  hide() { this.box.hidden = true; }
  close() { this.box.remove(); }

  // found: [{y, s, i}] at one x; best: the series nearest to the pointer.
  show(title, found, best, where) {
    found.sort((p, q) => q.y - p.y);
    const size = 2 * AROUND + 1, at = found.findIndex(f => f.s === best), from = Math.max(0, Math.min(at - AROUND, found.length - size)), some = found.slice(from, from + size);
    const rows = some.map(({ y, s, i }) => {
      const row = element('div', s === best ? 'on' : ''), swatch = element('i');
      swatch.style.background = s.color;
      const bucket = !s.flat && s.lo[i] !== s.hi[i] ? `${num(s.lo[i])} … ${num(s.hi[i])}` : '';
      row.append(swatch, element('span', '', s.label), element('em', '', num(y)));
      if (bucket) row.append(element('small', '', bucket));
      return row;
    });
    const below = found.length - from - some.length, note = from || below ? [element('small', 'note', `${from} above, ${below} below`)] : [];
    this.box.replaceChildren(element('b', '', title), ...rows, ...note);
    this.box.hidden = false;
    const { offsetWidth: w, offsetHeight: h } = this.box, right = where.x + 18 + w < innerWidth;
    this.box.style.left = Math.max(4, right ? where.x + 18 : where.x - 18 - w) + 'px';
    this.box.style.top = Math.max(4, Math.min(innerHeight - h - 4, where.y - h / 2)) + 'px';
  }
}

function element(name, className = '', text = '') {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
