// Terminal output as a terminal would leave it: colours kept as class names, carriage returns overwrite their line, other controls left out. Pure.

const CONTROL = /\x1b\[([0-9;]*)m|\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;
const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

// [{text, classes}] of a text with ANSI colours.
export function styled(text) {
  const out = [], on = { bold: false, faint: false, color: '' };
  let last = 0;
  const classes = () => [on.bold && 'a-bold', on.faint && 'a-faint', on.color && 'a-' + on.color].filter(Boolean).join(' ');
  const add = piece => {
    if (!piece) return;
    const name = classes();
    if (out.length && out[out.length - 1].classes === name) out[out.length - 1].text += piece;
    else out.push({ text: piece, classes: name });
  };
  const clean = overwritten(text);
  for (const found of clean.matchAll(CONTROL)) {
    add(clean.slice(last, found.index));
    last = found.index + found[0].length;
    if (found[1] === undefined) continue;
    const codes = found[1] === '' ? [0] : found[1].split(';').map(Number);
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 0) Object.assign(on, { bold: false, faint: false, color: '' });
      else if (code === 1) on.bold = true;
      else if (code === 2) on.faint = true;
      else if (code === 22) on.bold = on.faint = false;
      else if (code >= 30 && code <= 37) on.color = NAMES[code - 30];
      else if (code >= 90 && code <= 97) on.color = NAMES[code - 90];
      else if (code === 38 || code === 48) i += codes[i + 1] === 5 ? 2 : 4;
      else if (code === 39) on.color = '';
    }
  }
  add(clean.slice(last));
  return out;
}

// A progress bar writes its line again and again: what came last is what is seen.
function overwritten(text) {
  return text.replaceAll('\r\n', '\n').split('\n').map(line => {
    if (!line.includes('\r')) return line;
    const parts = line.split('\r').filter(Boolean);
    return parts.length ? parts[parts.length - 1] : '';
  }).join('\n');
}
