// Why an item is on a list: a bar of contributions by kind and modality, the same scale for the whole list.
import { h, number, svg } from './dom.js';

const KINDS = {
  similar_item: ['k-taste', 'your taste'], taste: ['k-taste', 'your taste'], seed_item: ['k-taste', 'likeness to the seeds'],
  covisitation: ['k-people', 'what people do together'], sequence: ['k-session', 'what comes next'], item2vec: ['k-people', 'what people do together'],
  regression: ['k-people', 'what people do together'], sessions: ['k-session', 'what comes next'], history: ['k-other', 'your history'],
  query: ['k-query', 'your words'],
  popularity: ['k-popular', 'popularity'], trend: ['k-popular', 'trend'], freshness: ['k-fresh', 'freshness'], context: ['k-other', 'the moment'], bias: ['k-other', 'a constant'],
};
const MODALITIES = { text: 'text', image: 'picture', audio: 'sound', video: 'film' };

function describe(reason) {
  const [family, detail] = reason.kind.split('.');
  const modality = reason.modality ?? (detail in MODALITIES ? detail : null);
  if (modality && (family === 'content' || family === 'similar_item')) return [`k-${modality}`, `${MODALITIES[modality]}`];
  return KINDS[family] ?? ['k-other', reason.kind.replaceAll('_', ' ').replace('.', ' ')];
}

/** Reasons brought together by what they are about. */
export function grouped(reasons) {
  const groups = new Map();
  for (const reason of reasons) {
    const [colour, name] = describe(reason);
    const group = groups.get(name) ?? { colour, name, contribution: 0, titles: [], reasons: [] };
    group.contribution += reason.contribution;
    group.reasons.push(reason);
    if (reason.title && !group.titles.includes(reason.title)) group.titles.push(reason.title);
    groups.set(name, group);
  }
  return [...groups.values()].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
}

export function extent(items) {
  let above = 0.001, below = 0;
  for (const one of items) {
    const groups = grouped(one.reasons);
    above = Math.max(above, groups.reduce((sum, g) => sum + Math.max(0, g.contribution), 0));
    below = Math.max(below, groups.reduce((sum, g) => sum + Math.max(0, -g.contribution), 0));
  }
  return { above, below: below > above * 0.04 ? below : 0 };
}

const WIDTH = 400, HEIGHT = 10;

/** What speaks for it to the right of the line, what speaks against it to the left. */
export function bar(one, { above, below }) {
  const groups = grouped(one.reasons);
  const scale = WIDTH / (above + below);
  const zero = below * scale;
  let right = zero, left = zero;
  const parts = [];
  for (const group of groups) {
    // A group is split where several past items stand behind it, in shades.
    const own = group.contribution >= 0 ? group.reasons.filter((one) => one.contribution > 0).sort((a, b) => b.contribution - a.contribution) : [];
    const total = own.reduce((sum, one) => sum + one.contribution, 0);
    const pieces = own.length > 1 ? own.map((one) => [(one.contribution * group.contribution) / total, one.title]) : [[group.contribution, group.titles[0]]];
    pieces.forEach(([amount, title], at) => {
      const width = Math.abs(amount) * scale;
      if (width < 0.4) return;
      const x = amount >= 0 ? right : left - width;
      if (amount >= 0) right += width; else left -= width;
      if (x < -1) return;
      parts.push(svg('rect', { x, y: 0, width: Math.max(0.6, width - 1), height: HEIGHT, rx: 1.5, class: amount >= 0 ? group.colour : 'k-against', 'fill-opacity': Math.max(0.4, 1 - 0.25 * at) },
        svg('title', {}, `${group.name}${title ? `, ${title}` : ''}: ${number(amount, 3)}`)));
    });
  }
  const words = groups.slice(0, 4).map((g) => `${g.name} ${number(g.contribution, 2)}`).join(', ');
  return svg('svg', { class: 'reasons', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `Score ${number(one.score, 2)}: ${words}` },
    svg('rect', { x: 0, y: 0, width: WIDTH, height: HEIGHT, rx: 2, class: 'track' }), parts,
    below ? svg('rect', { x: zero - 0.75, y: 0, width: 1.5, height: HEIGHT, class: 'zero' }) : null);
}

export function details(one) {
  const rows = one.reasons.filter((reason) => Math.abs(reason.contribution) >= 0.0005 || reason.contribution === 0).map((reason) => {
    const [colour, name] = describe(reason);
    const about = reason.title || reason.item_id || '';
    return h('tr', {}, h('td', {}, h('span', { class: `swatch ${colour}` }), name),
      h('td', {}, about ? `${reason.action ? `${reason.action}: ` : ''}${about}` : ''), h('td', { class: 'right' }, number(reason.contribution, 4)));
  });
  rows.push(h('tr', { class: 'sum' }, h('td', {}, 'score'), h('td', {}), h('td', { class: 'right' }, number(one.score, 4))));
  return h('div', { class: 'scroll' }, h('table', { class: 'why' }, h('thead', { class: 'visually-hidden' }, h('tr', {}, h('th', {}, 'reason'), h('th', {}, 'about'), h('th', {}, 'contribution'))), h('tbody', {}, rows)));
}

export function legend(items) {
  const seen = new Map();
  for (const one of items) for (const group of grouped(one.reasons)) {
    if (Math.abs(group.contribution) > 0.02) seen.set(group.contribution > 0 ? group.name : 'speaks against it', group.contribution > 0 ? group.colour : 'k-against');
  }
  return [...seen].slice(0, 8).map(([name, colour]) => h('span', {}, h('span', { class: `swatch ${colour}` }), name));
}
