// Which metrics share a panel, and in which order panels stand.

import { natural } from './format.js';

const SPLIT = /^(train|val|valid|validation|eval|test)$/;
const DASHED = /^train$/;

export const split = key => { const at = key.indexOf('/'), first = at < 0 ? '' : key.slice(0, at); return SPLIT.test(first) ? first : ''; };
export const isTrain = key => DASHED.test(split(key));

// [{section, panels: [{title, keys}]}]: `train/loss` and `val/loss` are one panel; sections by prefix, `metrics` first, `system` last.
export function sections(keys) {
  const found = new Map(), panels = new Map();
  for (const key of keys) {
    const at = key.indexOf('/'), title = split(key) ? key.slice(at + 1) : key, nested = title.indexOf('/');
    const section = nested > 0 ? title.slice(0, nested) : 'metrics', place = section + '\0' + title;
    if (!panels.has(place)) {
      panels.set(place, { title, keys: [] });
      if (!found.has(section)) found.set(section, []);
      found.get(section).push(panels.get(place));
    }
    panels.get(place).keys.push(key);
  }
  const rank = name => (name === 'metrics' ? 0 : name === 'system' ? 2 : 1);
  for (const list of found.values()) {
    for (const p of list) p.keys.sort((a, b) => place(a) - place(b));
    list.sort((a, b) => weight(a) - weight(b));
  }
  return [...found].sort(([a], [b]) => rank(a) - rank(b)).map(([section, list]) => ({ section, panels: list }));
}

// What is looked at first stands first: losses and scores before rates, counts and the clock.
const weight = p => (/^(epoch|lr|lr[-/].*|learning_rate)$/.test(p.title) ? 2 : p.keys.some(split) ? 0 : 1);

// val, then other splits, then train.
const place = key => (isTrain(key) ? 2 : /^val/.test(split(key)) ? 0 : 1);

// A panel's name on the screen: without the section that stands above it.
export const shown = (title, section) => (title.startsWith(section + '/') ? title.slice(section.length + 1) : title);

// Whether less is better, by the metric's name; null if the name does not say.
export function lessIsBetter(key) {
  const name = key.toLowerCase();
  if (/acc|f1|auc|score|r2|precision|recall|iou|dice|map\b|bleu|rouge|psnr|ssim|reward|throughput|per_second/.test(name)) return false;
  if (/loss|error|err\b|rmse|mae|mse|mape|perplexity|ppl|wer|cer|fid|logloss|deviance|time|duration/.test(name)) return true;
  return null;
}

// What somebody set by hand stands before what lies deep in a configuration.
export const shallow = keys => [...keys].sort((a, b) => a.split('.').length - b.split('.').length || natural(a, b));
