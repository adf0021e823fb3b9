// Elements from data. Text that anybody gave is only ever put in as a text node.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') for (const [kind, handler] of Object.entries(value)) node.addEventListener(kind, handler);
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name === 'css') for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (name === 'value' || name === 'checked' || name === 'disabled') node[name] = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
export const replace = (node, ...children) => node.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));

let announceTimer = 0;
/** Says something to those who listen to a screen reader, politely, and only the last of many. */
export function announce(text) {
  clearTimeout(announceTimer);
  announceTimer = setTimeout(() => { document.getElementById('announce').textContent = text; }, 350);
}

export const reducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

export function number(value, digits = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function ms(value) {
  if (value === null || value === undefined) return '–';
  if (value >= 10_000) return `${number(value / 1000, 1)} s`;
  return `${number(value, value < 10 ? 1 : 0)} ms`;
}

export function ago(time) {
  const seconds = Math.max(0, (Date.now() - time) / 1000);
  if (seconds < 5) return 'just now';
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

/** An icon of 16 by 16 by the path of its strokes. */
export const icon = (path, filled = false) => svg('svg', { viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true', class: 'icon' },
  svg('path', { d: path, fill: filled ? 'currentColor' : 'none', stroke: filled ? 'none' : 'currentColor', 'stroke-width': 1.7, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' }));
export const ICONS = {
  play: 'M4.500 2.800v10.400l8.500-5.200z', stop: 'M4 4h8v8h-8z', like: 'M8 13.500C3 10 2 7.500 2 5.700A3 3 0 0 1 8 4.600a3 3 0 0 1 6 1.100C14 7.500 13 10 8 13.500z',
  skip: 'M4 4l8 8M12 4l-8 8', open: 'M3 8h10M9 4l4 4-4 4', shuffle: 'M2 4.500h2.500l6 7H14M2 11.500h2.500l1.700-2M8.800 6.500l1.700-2H14M12 2.500l2 2-2 2M12 9.500l2 2-2 2',
};
