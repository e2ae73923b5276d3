// A button and the sheet that it opens; a click elsewhere or Esc shuts it.

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';

// `children` is a function: what the sheet holds, given what shuts it. It is called when the sheet is open only.
export function Menu({ text, look = '', outer = '', wide = false, label, title, opened, children }) {
  const [open, set] = useState(false), box = useRef();
  useLayoutEffect(() => { // before a key can come
    if (!open) return undefined;
    if (opened) opened();
    const away = e => { if (!box.current.contains(e.target)) set(false); };
    const key = e => { if (e.key === 'Escape') { e.stopPropagation(); set(false); } };
    document.addEventListener('pointerdown', away);
    document.addEventListener('keydown', key, true);
    return () => { document.removeEventListener('pointerdown', away); document.removeEventListener('keydown', key, true); };
  }, [open]);
  return html`<span class=${'menu ' + outer} ref=${box}>
    <button type="button" class=${look} aria-expanded=${open} aria-haspopup="true" aria-label=${label} title=${title} data-menu onClick=${() => set(!open)}>${text}</button>
    ${open ? html`<div class=${'sheetlet' + (wide ? ' wide' : '')}>${children(() => set(false))}</div>` : null}</span>`;
}
