// The end of what a run printed, with its colours, followed while it runs.

import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from './api.js';
import { styled } from './ansi.js';
import { html } from './html.js';

const EVERY_MS = 2000, MOST = 200_000; // characters

export function Console({ id, status }) {
  const [state, set] = useState({ text: '', cut: false, problem: '', known: false }), box = useRef(), running = status === 'running';
  useEffect(() => {
    let over = false, timer = 0, next = '';
    const follow = async () => {
      try {
        const got = await api.print(id, next);
        if (over) return;
        const first = next === '';
        next = got.next;
        if (got.text || first) set(s => ({ text: ((first ? '' : s.text) + got.text).slice(-MOST), cut: s.cut || got.cut, problem: got.kept === false ? 'Nothing that it prints is kept.' : '', known: true }));
      } catch (error) {
        if (!over) set(s => ({ ...s, known: true, problem: s.text ? '' : error.message }));
      }
      if (!over && running) timer = setTimeout(() => (document.hidden ? wait() : follow()), EVERY_MS);
    };
    const wait = () => { timer = setTimeout(() => (document.hidden ? wait() : follow()), EVERY_MS); };
    follow();
    return () => { over = true; clearTimeout(timer); };
  }, [id, running]);
  useEffect(() => { // stays at the end if it was there
    const el = box.current;
    if (el && el.dataset.end !== 'no') el.scrollTop = el.scrollHeight;
  }, [state.text]);
  if (!state.known) return null;
  if (!state.text) return html`<p class="quiet">${state.problem || 'It printed nothing.'}</p>`;
  return html`<pre class="console" ref=${box} tabindex="0" aria-label="console" onScroll=${e => { const el = e.target; el.dataset.end = el.scrollTop + el.clientHeight > el.scrollHeight - 20 ? 'yes' : 'no'; }}>${state.cut ? html`<span class="note">… (only the end was kept)${'\n'}</span>` : null}${styled(state.text).map((p, i) => html`<span key=${i} class=${p.classes}>${p.text}</span>`)}</pre>`;
}
