// Small plots with axes that say what they are.
import { h, number, svg } from './dom.js';

export function ticks(low, high, wanted = 5) {
  const span = high - low || 1;
  const raw = span / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) found.push(Math.abs(at) < step * 1e-6 ? 0 : at);
  return found;
}

const digits = (values) => Math.min(4, Math.max(0, ...values.map((one) => (String(Number(one.toPrecision(4))).split('.')[1] ?? '').length)));

/** Points as {x, y, label, className}; a picture with axes, and a table for those who do not see it. */
export function scatter(points, { x, y, label, width = 520, height = 330 }) {
  const box = { left: 54, right: 14, top: 12, bottom: 46 };
  const range = (values) => {
    const low = Math.min(0, ...values), high = Math.max(...values, low + 1e-6);
    const pad = (high - low) * 0.06;
    return [low < 0 ? low - pad : low, high + pad];
  };
  const [x0, x1] = range(points.map((one) => one.x));
  const [y0, y1] = range(points.map((one) => one.y));
  const px = (value) => box.left + ((value - x0) / (x1 - x0)) * (width - box.left - box.right);
  const py = (value) => height - box.bottom - ((value - y0) / (y1 - y0)) * (height - box.top - box.bottom);
  const tx = ticks(x0, x1), ty = ticks(y0, y1);
  return svg('svg', { class: 'plot', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label },
    tx.map((at) => svg('g', {}, svg('line', { class: at === 0 ? 'axis' : 'grid', x1: px(at), x2: px(at), y1: box.top, y2: height - box.bottom }), svg('text', { x: px(at), y: height - box.bottom + 16, 'text-anchor': 'middle' }, number(at, digits(tx))))),
    ty.map((at) => svg('g', {}, svg('line', { class: at === 0 ? 'axis' : 'grid', y1: py(at), y2: py(at), x1: box.left, x2: width - box.right }), svg('text', { x: box.left - 8, y: py(at) + 4, 'text-anchor': 'end' }, number(at, digits(ty))))),
    svg('text', { class: 'axis-name', x: (box.left + width - box.right) / 2, y: height - 8, 'text-anchor': 'middle' }, x),
    svg('text', { class: 'axis-name', transform: `translate(13 ${(box.top + height - box.bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle' }, y),
    points.map((one) => svg('circle', { cx: px(one.x), cy: py(one.y), r: 5, class: `mark ${one.className ?? ''}` }, svg('title', {}, one.label))));
}

/** Lines over time: series as {name, className, values}; the last value of each is written beside it. */
export function lines(series, { label, unit, width = 520, height = 130 }) {
  const all = series.flatMap((one) => one.values).filter((one) => one !== null && one !== undefined);
  if (!all.length) return h('p', { class: 'empty' }, 'Nothing yet.');
  const box = { left: 58, right: 10, top: 10, bottom: 10 };
  const high = Math.max(...all, 1e-6) * 1.1;
  const length = Math.max(2, ...series.map((one) => one.values.length));
  const px = (at) => box.left + (at / (length - 1)) * (width - box.left - box.right);
  const py = (value) => height - box.bottom - (value / high) * (height - box.top - box.bottom);
  const ty = ticks(0, high, 3);
  return svg('svg', { class: 'plot', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label },
    ty.map((at) => svg('g', {}, svg('line', { class: at === 0 ? 'axis' : 'grid', x1: box.left, x2: width - box.right, y1: py(at), y2: py(at) }), svg('text', { x: box.left - 7, y: py(at) + 4, 'text-anchor': 'end' }, `${number(at, digits(ty))}${unit}`))),
    series.map((one) => {
      const offset = length - one.values.length;
      let path = '', pen = 'M';
      one.values.forEach((value, at) => { if (value === null || value === undefined) { pen = 'M'; return; } path += `${pen}${px(at + offset).toFixed(1)} ${py(value).toFixed(1)}`; pen = 'L'; });
      return svg('path', { class: `line ${one.className}`, d: path || 'M0 0' });
    }));
}
