// Which run has which colour. Computed, not chosen by eye: the least distance of any two (CIE76; halved for normal sight) over normal,
// protan, deutan and tritan sight is 20 on light paper and 24 on dark; contrast with the paper is 3:1 or more.

const LIGHT = ['#3366cc', '#cc7755', '#007700', '#880077', '#999911', '#663344', '#ee5588', '#334411'];
const DARK = ['#77aaff', '#bb6600', '#ccdd55', '#cc1144', '#00eeaa', '#8844bb', '#ffaadd', '#007788'];
export const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];

// Blue, magenta, orange; lightness rises all the way.
const RAMP = {
  light: [[25, 60, 150], [175, 60, 130], [240, 150, 20]],
  dark: [[70, 110, 230], [190, 120, 200], [255, 200, 90]],
};

export const hue = (slot, dark) => (dark ? DARK : LIGHT)[slot % 8];

export function ramp(t, dark) {
  if (!(t >= 0)) return dark ? '#555a63' : '#b9bdc4';
  const stops = dark ? RAMP.dark : RAMP.light, k = Math.min(1, t) * 2, i = k >= 1 ? 1 : 0;
  return `rgb(${stops[i].map((v, j) => Math.round(v + (stops[i + 1][j] - v) * (k - i))).join(',')})`;
}

// Gives each drawn run a slot and keeps it in `kept` (number -> slot). A run prefers `number mod 8`; if another drawn run has that,
// the slot that fewest drawn runs have. A slot past the eighth is the same colour with the next dash.
export function slots(drawn, kept) {
  const used = new Map(), taken = n => used.get(n) || 0;
  for (const number of drawn) if (kept.has(number)) used.set(kept.get(number), taken(kept.get(number)) + 1);
  for (const number of drawn) {
    if (kept.has(number)) continue;
    let slot = number % 8;
    for (let round = 0; taken(slot) && round < DASHES.length; round++) {
      slot = number % 8 + 8 * round;
      for (let k = 0; k < 8 && taken(slot); k++) slot = (number + k) % 8 + 8 * round;
    }
    kept.set(number, slot);
    used.set(slot, taken(slot) + 1);
  }
  return kept;
}

// A column's values as places on the ramp: logarithmic if they are positive and span more than two orders.
export function scale([low, high]) {
  const log = low > 0 && high / low > 100, f = log ? Math.log : v => v, a = f(low), b = f(high);
  return v => (b > a ? (f(v) - a) / (b - a) : .5);
}
