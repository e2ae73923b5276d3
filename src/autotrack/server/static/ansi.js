// Terminal output as a terminal would leave it: colours are kept, carriage returns overwrite their line, other controls are left out. Pure.

const CONTROL = /\x1b\[([0-9;:]*)m|\x1b\[[0-9;:?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;
const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white', 'grey', ...['red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']];
const rgb = hex => [0, 2, 4].map(i => parseInt(hex.slice(i, i + 2), 16));
const SIXTEEN = '000000 cd3131 0f8a5f b58900 2472c8 a0449c 1189a8 d0d0d0 767676 f14c4c 23d18b f5f543 3b8eea d670d6 29b8db ffffff'.split(' ').map(rgb);
const THEMES = { light: { ink: rgb('1b1c1e'), ground: rgb('f7f7f5') }, dark: { ink: rgb('e8e9ec'), ground: rgb('101216') } };
const PLAIN = { bold: false, faint: false, inverse: false, ink: null, ground: null };

// [{text, classes}] of a text with ANSI colours; what classes alone cannot draw has `colours` too: [ink, ground] for `shade`.
export function styled(text) {
  const out = [], on = { ...PLAIN };
  let last = 0;
  const add = piece => {
    if (!piece) return;
    const look = looks(on), before = out[out.length - 1];
    if (before && before.classes === look.classes && String(before.colours) === String(look.colours)) before.text += piece;
    else out.push({ text: piece, ...look });
  };
  const clean = overwritten(text);
  for (const found of clean.matchAll(CONTROL)) {
    add(clean.slice(last, found.index));
    last = found.index + found[0].length;
    if (found[1] !== undefined) told(on, found[1].replaceAll(':2::', ':2:').split(/[;:]/).map(Number));
  }
  add(clean.slice(last));
  return out;
}

function told(on, codes) {
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i], layer = code % 60 < 40 ? 'ink' : 'ground'; // 30 to 39 and 90 to 97; 40 to 49 and 100 to 107
    if (code === 0) Object.assign(on, PLAIN);
    else if (code === 1) on.bold = true;
    else if (code === 2) on.faint = true;
    else if (code === 22) on.bold = on.faint = false;
    else if (code === 7 || code === 27) on.inverse = code === 7;
    else if (code === 38 || code === 48 || code === 58) { // 58: of underlines, which are not drawn
      const n = codes[i + 1] === 5 ? 1 : 3, values = codes.slice(i + 2, i + 2 + n);
      i += 1 + n;
      if (code !== 58 && values.length === n && values.every(v => v <= 255)) on[layer] = n === 1 ? of256(values[0]) : values;
    } else if (code === 39 || code === 49) on[layer] = null;
    else if (code >= 30 && code <= 47) on[layer] = code % 10;
    else if (code >= 90 && code <= 107) on[layer] = 8 + code % 10;
  }
}

// The 256 colours as xterm has them: sixteen that have names, a cube of six levels each way, greys.
function of256(n) {
  if (n < 16) return n;
  if (n >= 232) return Array(3).fill(8 + 10 * (n - 232));
  return [36, 6, 1].map(side => Math.floor((n - 16) / side) % 6).map(level => level && 55 + 40 * level);
}

function looks({ bold, faint, inverse, ink, ground }) {
  const plain = !inverse && ground === null && !Array.isArray(ink);
  const classes = [bold && 'a-bold', faint && 'a-faint', plain && ink !== null && 'a-' + NAMES[ink]].filter(Boolean).join(' ');
  if (plain) return { classes };
  const both = [ink ?? 'ink', ground ?? 'ground'];
  return { classes, colours: inverse ? both.reverse() : both };
}

// The style of `colours` in a theme: the ground as it was told, the ink moved towards black or white until it can be read (4.5:1, WCAG AA).
export function shade(colours, dark) {
  const [ink, ground] = colours.map(c => (Array.isArray(c) ? c : SIXTEEN[c] || THEMES[dark ? 'dark' : 'light'][c])), goal = luminance(ground) < .179 ? 255 : 0;
  let seen = ink;
  for (let part = .1; contrast(seen, ground) < 4.5 && part < 1.05; part += .1) seen = ink.map(v => Math.round(v + (goal - v) * Math.min(1, part)));
  return { color: `rgb(${seen})`, backgroundColor: colours[1] === 'ground' ? '' : `rgb(${ground})` };
}

// Relative luminance and contrast as WCAG 2 defines them.
function luminance(color) {
  const [r, g, b] = color.map(v => (v > 10 ? ((v / 255 + .055) / 1.055) ** 2.4 : v / 255 / 12.92));
  return .2126 * r + .7152 * g + .0722 * b;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + .05) / (low + .05);
}

// A progress bar writes its line again and again: what came last is what is seen, in the colours that were told before.
function overwritten(text) {
  return text.replaceAll('\r\n', '\n').split('\n').map(line => {
    if (!line.includes('\r')) return line;
    const parts = line.split('\r').filter(Boolean), seen = parts.pop() || '';
    return (parts.join('').match(/\x1b\[[0-9;:]*m/g) || []).join('') + seen;
  }).join('\n');
}
