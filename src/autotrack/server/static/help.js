// What the keys and the pointer do.

import { useEffect, useRef } from 'preact/hooks';
import { html } from './html.js';
import { KEYS } from './keys.js';
import { help } from './state.js';

const TITLES = { Escape: 'Esc' };

export function Help() {
  const ref = useRef();
  useEffect(() => { // the keyboard is here while it is open, and afterwards where it was
    const before = document.activeElement;
    ref.current.focus();
    return () => before?.focus?.();
  }, []);
  return html`<div class="cover" onClick=${e => { if (e.target === e.currentTarget) help.value = false; }}><div class="help" role="dialog" aria-modal="true" aria-label="Keys">
    <div class="title"><h2>Keys</h2><button type="button" class="mini" ref=${ref} aria-label="close" onClick=${() => { help.value = false; }}>×</button></div>
    <dl>${KEYS.map(([key, text]) => html`<div key=${key}><dt><kbd>${TITLES[key] || key}</kbd></dt><dd>${text}</dd></div>`)}
      <div><dt><kbd>Ctrl</kbd> <kbd>K</kbd></dt><dd>filter, from anywhere</dd></div></dl>
    <h2>Pointer, over a chart</h2>
    <dl class="wide"><div><dt>drag</dt><dd>zoom, in all charts</dd></div><div><dt>double click</dt><dd>whole range</dd></div><div><dt>Alt + wheel</dt><dd>zoom at the pointer</dd></div><div><dt>Shift + drag</dt><dd>move</dd></div><div><dt>click</dt><dd>open the run</dd></div><div><dt>Ctrl + click</dt><dd>tick the run</dd></div></dl></div></div>`;
}
