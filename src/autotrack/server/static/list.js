// The list of runs beside the charts: it is their legend. Virtual: only the rows on the screen exist.

import { useEffect, useRef, useState } from 'preact/hooks';
import { flip } from './address.js';
import { bare, count, num, statusMark } from './format.js';
import { html } from './html.js';
import * as runs from './runs.js';
import { at, go, hover, link, listOpen, turn } from './state.js';

const HEIGHT = 30, DRAW = [10, 30, 100, 300, 1000];

// Scroll position and size of an element, at most once a frame.
export function useWindow() {
  const ref = useRef(), [view, set] = useState({ top: 0, left: 0, height: 700, width: 1200 });
  useEffect(() => {
    const el = ref.current;
    if (!el) return undefined;
    let frame = 0;
    const see = () => { frame = 0; set({ top: el.scrollTop, left: el.scrollLeft, height: el.clientHeight, width: el.clientWidth }); }, soon = () => { frame ||= requestAnimationFrame(see); };
    el.addEventListener('scroll', soon, { passive: true });
    const size = new ResizeObserver(soon);
    size.observe(el);
    see();
    return () => { el.removeEventListener('scroll', soon); size.disconnect(); cancelAnimationFrame(frame); };
  }, []);
  return [ref, view];
}

// The metric that the list shows: what it is sorted by, or the one that says most.
function listColumn() {
  const by = at.sort.value.split(',')[0].replace(/^-/, '');
  if (by.startsWith('metrics.') || by.startsWith('params.')) return by;
  const { headline, curves } = runs.facts.value, first = headline.find(key => curves.includes(key)) || headline[0];
  return first ? 'metrics.' + first : '';
}

export function List() {
  const [ref, view] = useWindow(), items = runs.shown.value, drawn = new Set(runs.drawn.value), paint = runs.paint.value, column = listColumn();
  runs.rev.value;
  if (column) runs.column(column);
  const from = Math.max(0, Math.floor(view.top / HEIGHT) - 4), to = Math.min(items.length, Math.ceil((view.top + view.height) / HEIGHT) + 4), pool = Math.ceil(view.height / HEIGHT) + 9;
  const { table } = runs, all = runs.order.value.length, total = table.size - (table.gone ? table.gone.size : 0);
  const here = at.tab.value === 'run' ? at.run.value : '';
  useEffect(() => { // the run that is open stays in sight
    const i = here ? items.findIndex(item => table.id[item.row] === here) : -1, el = ref.current;
    if (i >= 0 && el && (i * HEIGHT < el.scrollTop || (i + 1) * HEIGHT > el.scrollTop + el.clientHeight)) el.scrollTop = i * HEIGHT - el.clientHeight / 2;
  }, [here, runs.ready.value]);
  return html`<nav class=${'list' + (listOpen.value ? ' open' : '')} aria-label="Runs">
    <header><b>${count(all)}</b><span class="note">${all === total ? (all === 1 ? 'run' : 'runs') : 'of ' + count(total)}</span>
      ${column ? html`<span class="note by" title=${bare(column)}>${bare(column)}</span>` : null}
      <label class="note">draw <select value=${at.draw.value} onChange=${e => turn({ draw: e.target.value })}>${DRAW.map(n => html`<option key=${n} value=${n}>${n}</option>`)}</select></label></header>
    <div class="scroll" ref=${ref} onPointerLeave=${() => { hover.value = ''; }}><ul style=${{ height: items.length * HEIGHT + 'px' }}>
      ${Array.from({ length: Math.max(0, to - from) }, (_, j) => html`<${Item} key=${(from + j) % pool} top=${(from + j) * HEIGHT} item=${items[from + j]} on=${drawn.has(items[from + j].row)} look=${paint(items[from + j].row)} column=${column} here=${here} />`)}
    </ul></div></nav>`;
}

function Item({ item, top, on, look, column, here }) {
  runs.rev.value;
  const { row, more, inside } = item, { table } = runs, id = table.id[row], status = table.status[row], hidden = runs.hidden.value.has(id);
  const name = ['list-item', !on && 'off', hover.value === id && 'hot', runs.picked.value.has(id) && 'picked', here === id && 'here', inside && 'inside'].filter(Boolean).join(' ');
  const click = e => {
    e.preventDefault();
    if (e.metaKey || e.ctrlKey) runs.tick(id);
    else { listOpen.value = false; go({ tab: 'run', run: id }); }
  };
  const value = column ? table.value(column, row) : undefined;
  return html`<li class=${name} style=${{ transform: `translateY(${top}px)` }} onPointerEnter=${() => { hover.value = id; }}>
    <button type="button" class="eye" aria-pressed=${!hidden} aria-label=${(hidden ? 'draw ' : 'hide ') + table.name[row]} onClick=${() => turn({ hide: flip(at.hide.value, id) })}><i style=${on ? { background: look.color } : {}}></i></button>
    <a href=${link({ tab: 'run', run: id })} title=${table.name[row]} onClick=${click}>${table.name[row]}</a>
    ${more ? html`<button type="button" class="fold" aria-expanded=${runs.unfolded.value.has(id)} aria-label=${`${more} more of this kind`} onClick=${() => runs.unfold(id)}>+${count(more)}</button>` : null}
    ${status === 'finished' ? null : html`<span class=${'mark ' + status} title=${status + (table.error[row] ? ': ' + table.error[row] : '')}><i aria-hidden="true">${statusMark[status]}</i><span class="hid">${status}</span></span>`}
    <em>${num(value)}</em></li>`;
}
