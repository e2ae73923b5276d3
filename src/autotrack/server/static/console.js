// What a run printed, with its colours, followed while it runs; what was left out is told in it.

import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from './api.js';
import { shade, styled } from './ansi.js';
import { html } from './html.js';
import { dark } from './state.js';

const EVERY_MS = 2000, MOST = 200_000; // characters

export function Console({ id, status }) {
  const [state, set] = useState({ text: '', problem: '', known: false }), box = useRef(), running = status === 'running';
  useEffect(() => {
    let over = false, timer = 0, next = '', lines = ''; // whole lines; the one in the making comes again
    const follow = async () => {
      try {
        const got = await api.print(id, next);
        if (over) return;
        const text = lines + got.text;
        next = got.next;
        lines = text.slice(0, text.lastIndexOf('\n') + 1).slice(-MOST);
        set(s => (s.known && s.text === text.slice(-MOST) ? s : { text: text.slice(-MOST), problem: got.kept === false ? running ? 'It has printed nothing yet, or what it prints is not kept.' : 'It printed nothing, or what it prints is not kept.' : '', known: true }));
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
  return html`<pre class="console" ref=${box} tabindex="0" aria-label="console" onScroll=${e => { const el = e.target; el.dataset.end = el.scrollTop + el.clientHeight > el.scrollHeight - 20 ? 'yes' : 'no'; }}>${styled(state.text).map((p, i) => html`<span key=${i} class=${p.classes} style=${p.colours && shade(p.colours, dark.value)}>${p.text}</span>`)}</pre>`;
}
