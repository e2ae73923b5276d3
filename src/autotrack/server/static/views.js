// Saved views: a name for the page's address, kept in the store.

import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from './api.js';
import { read, write } from './address.js';
import { html } from './html.js';
import { go, say, url } from './state.js';

export function Views() {
  const [open, set] = useState(false), [views, setViews] = useState(null), box = useRef();
  useEffect(() => {
    if (!open) return undefined;
    api.views().then(got => setViews(got.views)).catch(error => say(error.message));
    const away = e => { if (!box.current.contains(e.target)) set(false); };
    document.addEventListener('pointerdown', away);
    return () => document.removeEventListener('pointerdown', away);
  }, [open]);
  const change = (doing, done) => doing.then(got => { setViews(got.views); if (done) say(done); }).catch(error => say(error.message));
  const keep = e => {
    e.preventDefault();
    const name = new FormData(e.target).get('name').trim();
    if (name) change(api.saveView(name, write(url.value)), `saved as “${name}”`);
    e.target.reset();
  };
  return html`<span class="menu views" ref=${box} onKeyDown=${e => { if (e.key === 'Escape' && open) { e.stopPropagation(); set(false); } }}>
    <button type="button" aria-expanded=${open} aria-label="Saved views" title="saved views" onClick=${() => set(!open)}>☆</button>
    ${open ? html`<div class="sheetlet"><b>Saved views</b>
      ${views && views.map(v => html`<span class="row" key=${v.name}><a href=${v.query} onClick=${e => { e.preventDefault(); set(false); go(read(v.query)); }}>${v.name}</a><button type="button" aria-label=${'forget ' + v.name} onClick=${() => change(api.deleteView(v.name))}>×</button></span>`)}
      ${views && !views.length ? html`<p class="note">A view is all that you see: filter, order, zoom, columns.</p>` : null}
      <form onSubmit=${keep}><input name="name" placeholder="name of this view" aria-label="name of this view" maxlength="100" /><button type="submit" class="mini">save</button></form></div>` : null}</span>`;
}
