// A patch, its lines coloured by what they do.

import { html } from './html.js';

export function Diff({ text }) {
  const kind = line => (/^(\+\+\+|---|diff |index )/.test(line) ? 'meta' : line[0] === '+' ? 'plus' : line[0] === '-' ? 'minus' : line.startsWith('@@') ? 'hunk' : '');
  return html`<pre class="diff">${text.split('\n').map((line, i) => html`<span key=${i} class=${kind(line)}>${line + '\n'}</span>`)}</pre>`;
}
