// On paper there is no scrolling and no dark: what is far from the screen is asked for first, and all is drawn in light colours.

import { eager, theme } from './state.js';

const PATIENCE_MS = 10_000;
const plots = () => [...document.querySelectorAll('.plot')].filter(box => box.curves);
const pause = ms => new Promise(done => setTimeout(done, ms));
const load = ({ curves }) => { curves.near = true; return curves.load(); };
let before = '', far = false;

// A browser waits for nobody once it prints, so Ctrl+P comes here first.
export async function printAll() {
  far = !eager.value;
  eager.value = true;
  await pause(200); // until what is far exists, and knows that it is far
  await Promise.race([Promise.all(plots().map(load)), pause(PATIENCE_MS)]);
  print();
}

// What needs no server is loaded in the first listener, and there when the second draws.
addEventListener('beforeprint', () => plots().forEach(load));
addEventListener('beforeprint', () => {
  before = theme.value;
  theme.value = 'light';
  for (const { chart, curves } of plots()) { curves.show(); chart.size(); chart.draw(); }
});
addEventListener('afterprint', () => {
  theme.value = before;
  if (far) eager.value = false;
});
