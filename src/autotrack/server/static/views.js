// Saved views: a name for the page's address, kept in the store.

import { useState } from 'preact/hooks';
import * as api from './api.js';
import { read, write } from './address.js';
import { html } from './html.js';
import { Menu } from './menu.js';
import { go, say, url } from './state.js';

export function Views() {
  const [views, setViews] = useState(null);
  const change = (doing, done) => doing.then(got => { setViews(got.views); if (done) say(done); }).catch(error => say(error.message));
  const look = () => { // what is saved meanwhile is newer than what is asked for now
    setViews(null);
    api.views().then(got => setViews(now => now ?? got.views)).catch(error => say(error.message));
  };
  const keep = e => {
    e.preventDefault();
    const name = new FormData(e.target).get('name').trim();
    if (name) change(api.saveView(name, write(url.value)), `saved as “${name}”`);
    e.target.reset();
  };
  return html`<${Menu} text="☆" outer="views" label="Saved views" title="saved views" opened=${look}>${shut => html`<b>Saved views</b>
    ${views && views.map(v => html`<span class="row" key=${v.name}><a href=${v.query} onClick=${e => { e.preventDefault(); shut(); go(read(v.query)); }}>${v.name}</a><button type="button" aria-label=${'forget ' + v.name} onClick=${() => change(api.deleteView(v.name))}>×</button></span>`)}
    ${views && !views.length ? html`<p class="note">A view is all that you see: filter, order, zoom, columns.</p>` : null}
    <form onSubmit=${keep}><input name="name" placeholder="name of this view" aria-label="name of this view" maxlength="100" /><button type="submit" class="mini">save</button></form>`}</${Menu}>`;
}
