// The map: items in two dimensions, and a person among them.
import { get, post } from './api.js';
import { scatter } from './charts.js';
import { announce, h, number, reducedMotion, replace } from './dom.js';
import { nameOf, tile } from './media.js';
import { grouped } from './reasons.js';

// Okabe and Ito's colours and lighter ones between them; beyond these, grey.
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#56b4e9', '#8a7a00', '#7a5cc0', '#2f8f4e', '#b3372b', '#6b8e9f', '#c2a400', '#a0522d', '#e38fb1', '#4a7d7a', '#9a9f4a', '#5b6bc0', '#c58a5a', '#7f7f7f', '#3fa7a0'];
const OTHER = '#9aa3a6';
const SHAPES = ['circle', 'square', 'triangle', 'diamond'];

export function mount(main, context) {
  let data = null, person = null, list = null, scale = null, hover = null, chosen = null, attribute = '', drawn = null, frame = 0;
  const trail = [];
  if (!context.user) context.user = context.state.people[0]?.user_id ?? 'somebody';
  const canvas = h('canvas', { tabindex: 0, role: 'application', 'aria-label': 'Map of the items. Arrow keys go to the next item in that direction; Enter likes it.', 'aria-describedby': 'map-help' });
  const card = h('div', { class: 'map-card card', hidden: true });
  const legend = h('ul', { class: 'map-legend', 'aria-label': 'Colours' });
  const colourBy = h('select', { id: 'colour-by', on: { change: () => { attribute = colourBy.value; colour(); } } });
  const note = h('p', { class: 'muted small' });
  const near = h('ol', { class: 'near' });
  const who = h('input', { type: 'text', id: 'map-who', list: 'map-people', maxlength: 64, value: context.user, autocomplete: 'off' });
  const form = h('form', { class: 'row' }, h('label', { for: 'map-who' }, 'Person'), who, h('datalist', { id: 'map-people' }, context.state.people.map((one) => h('option', { value: one.user_id }))), h('button', { class: 'button', type: 'submit' }, 'Show'));
  form.addEventListener('submit', (event) => { event.preventDefault(); if (who.value.trim()) { person = list = null; trail.length = 0; context.setUser(who.value.trim()); } });
  const feature = h('select', { id: 'feature', on: { change: plot } });
  const plotSlot = h('div', { class: 'chart-slot' });
  main.append(
    h('section', { class: 'card pad', 'aria-labelledby': 'map-title' },
      h('div', { class: 'head' }, h('h1', { id: 'map-title' }, 'The map'), note, h('div', { class: 'row push' }, form, h('label', { for: 'colour-by' }, 'Colour by'), h('div', {}, colourBy))),
      h('div', { class: 'map-grid' }, h('div', { class: 'map-slot' }, canvas, card), legend),
      h('p', { class: 'muted small', id: 'map-help' }, 'Each point is an item’s fused vector on its first two principal components: near on the map is often, not always, near in the whole space. The ring is the person, where their taste points. Like what you see: press Enter, or the button on its card, and the person moves.')),
    h('div', { class: 'halves' },
      h('section', { class: 'card pad', 'aria-labelledby': 'near-title' }, h('div', { class: 'head' }, h('h2', { id: 'near-title' }, 'Nearest to the person'), h('p', { class: 'muted small' }, 'by cosine in the whole space')), near),
      h('section', { class: 'card pad', 'aria-labelledby': 'plot-title' }, h('div', { class: 'head' }, h('h2', { id: 'plot-title' }, 'What a score is made of'), h('div', { class: 'row push' }, h('label', { for: 'feature' }, 'Feature'), h('div', {}, feature))), plotSlot)));

  const observer = new ResizeObserver(() => { resize(); });
  observer.observe(canvas.parentElement);

  function resize() {
    const width = canvas.parentElement.clientWidth, height = Math.round(Math.min(620, Math.max(340, width * 0.62)));
    const ratio = devicePixelRatio || 1;
    canvas.width = width * ratio; canvas.height = height * ratio;
    canvas.style.setProperty('height', `${height}px`);
    fit();
  }

  function fit() {
    if (!data?.points.length) return;
    const xs = data.points.map((one) => one[0]), ys = data.points.map((one) => one[1]);
    const pad = 46, width = canvas.width / (devicePixelRatio || 1), height = canvas.height / (devicePixelRatio || 1);
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    // One scale for both axes: a distance is the same whichever way it goes.
    const unit = Math.min((width - 2 * pad) / (x1 - x0 || 1), (height - 2 * pad) / (y1 - y0 || 1));
    const cx = (x0 + x1) / 2, cy = (y0 + y1) / 2;
    scale = { unit, x: (value) => width / 2 + (value - cx) * unit, y: (value) => height / 2 - (value - cy) * unit, width, height };
    draw();
  }

  function colour() {
    if (!data) return;
    const values = attribute === 'modality' ? data.modalities.map((one) => one.join(' + ')) : data.attributes[attribute] ?? [];
    const counts = new Map();
    for (const value of values) if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
    const order = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, COLOURS.length).map(([value]) => value).sort();
    const of = new Map(order.map((value, at) => [value, [COLOURS[at], SHAPES[at % SHAPES.length]]]));
    drawn = values.length ? values.map((value) => of.get(value) ?? [OTHER, 'circle']) : data.item_ids.map(() => [COLOURS[0], 'circle']);
    replace(legend, order.map((value) => { const [c, shape] = of.get(value); return h('li', {}, h('span', { class: `key ${shape}`, css: { '--key': c } }), h('span', {}, value)); }));
    draw();
  }

  function shape(draw2d, x, y, size, kind) {
    draw2d.beginPath();
    if (kind === 'square') draw2d.rect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8);
    else if (kind === 'triangle') { draw2d.moveTo(x, y - size * 1.15); draw2d.lineTo(x + size * 1.1, y + size * 0.85); draw2d.lineTo(x - size * 1.1, y + size * 0.85); draw2d.closePath(); } else if (kind === 'diamond') { draw2d.moveTo(x, y - size * 1.25); draw2d.lineTo(x + size * 1.15, y); draw2d.lineTo(x, y + size * 1.25); draw2d.lineTo(x - size * 1.15, y); draw2d.closePath(); } else draw2d.arc(x, y, size, 0, 7);
    draw2d.fill();
  }

  function draw() {
    if (!data || !scale || !drawn) return;
    const draw2d = canvas.getContext('2d');
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue('--ink'), soft = style.getPropertyValue('--soft'), line = style.getPropertyValue('--line'), paper = style.getPropertyValue('--card'), accent = style.getPropertyValue('--accent');
    const ratio = devicePixelRatio || 1;
    draw2d.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw2d.clearRect(0, 0, scale.width, scale.height);
    draw2d.strokeStyle = line; draw2d.lineWidth = 1;
    for (let at = -2; at <= 2; at += 0.25) {
      draw2d.beginPath(); draw2d.moveTo(scale.x(at), 0); draw2d.lineTo(scale.x(at), scale.height - 22); draw2d.moveTo(0, scale.y(at)); draw2d.lineTo(scale.width, scale.y(at)); draw2d.stroke();
    }
    draw2d.fillStyle = soft; draw2d.font = '12px Inter, system-ui, sans-serif'; draw2d.textAlign = 'center';
    draw2d.fillText(`component 1 · ${number(100 * data.explained[0], 1)} % of the variance`, scale.width / 2, scale.height - 6);
    draw2d.save(); draw2d.translate(13, scale.height / 2); draw2d.rotate(-Math.PI / 2); draw2d.fillText(`component 2 · ${number(100 * data.explained[1], 1)} %`, 0, 0); draw2d.restore();
    const listed = new Set(list?.items.slice(0, 20).map((one) => one.item.item_id) ?? []);
    data.points.forEach(([x, y], at) => {
      const [fill, kind] = drawn[at];
      draw2d.globalAlpha = listed.size && !listed.has(data.item_ids[at]) ? 0.5 : 0.95;
      draw2d.fillStyle = fill;
      shape(draw2d, scale.x(x), scale.y(y), listed.has(data.item_ids[at]) ? 6 : 4.5, kind);
    });
    draw2d.globalAlpha = 1;
    draw2d.strokeStyle = ink; draw2d.lineWidth = 1.5;
    data.points.forEach(([x, y], at) => { if (listed.has(data.item_ids[at])) { draw2d.beginPath(); draw2d.arc(scale.x(x), scale.y(y), 8.5, 0, 7); draw2d.stroke(); } });
    const focus = hover ?? chosen;
    if (focus !== null && data.points[focus]) { draw2d.strokeStyle = accent; draw2d.lineWidth = 3; draw2d.beginPath(); draw2d.arc(scale.x(data.points[focus][0]), scale.y(data.points[focus][1]), 11, 0, 7); draw2d.stroke(); }
    if (trail.length) {
      draw2d.strokeStyle = accent; draw2d.lineWidth = 2; draw2d.setLineDash([4, 4]); draw2d.beginPath();
      trail.forEach(([x, y], at) => (at ? draw2d.lineTo(scale.x(x), scale.y(y)) : draw2d.moveTo(scale.x(x), scale.y(y))));
      draw2d.stroke(); draw2d.setLineDash([]);
      const [x, y] = moving ?? trail.at(-1);
      draw2d.fillStyle = paper; draw2d.strokeStyle = accent; draw2d.lineWidth = 4;
      draw2d.beginPath(); draw2d.arc(scale.x(x), scale.y(y), 12, 0, 7); draw2d.fill(); draw2d.stroke();
      draw2d.fillStyle = ink; draw2d.font = '600 11px Inter, system-ui, sans-serif'; draw2d.textAlign = 'center';
      draw2d.fillText(context.user.slice(0, 1).toUpperCase(), scale.x(x), scale.y(y) + 4);
      draw2d.font = '600 13px Inter, system-ui, sans-serif'; draw2d.lineWidth = 4; draw2d.strokeStyle = paper; draw2d.textAlign = 'left';
      draw2d.strokeText(context.user, scale.x(x) + 18, scale.y(y) + 4); draw2d.fillText(context.user, scale.x(x) + 18, scale.y(y) + 4);
    }
  }

  let moving = null;
  function moveTo(point) {
    const from = trail.at(-1);
    trail.push(point);
    if (trail.length > 30) trail.shift();
    if (!from || reducedMotion()) { draw(); return; }
    const began = performance.now();
    cancelAnimationFrame(frame);
    const step = (now) => {
      const t = Math.min(1, (now - began) / 600), eased = 1 - (1 - t) ** 3;
      moving = t < 1 ? [from[0] + (point[0] - from[0]) * eased, from[1] + (point[1] - from[1]) * eased] : null;
      draw();
      if (t < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
  }

  const items = new Map();
  async function showCard(at) {
    if (at === null) { card.hidden = true; draw(); return; }
    const id = data.item_ids[at];
    draw();
    if (!items.has(id)) {
      // What is shown is always what a like would go to.
      card.hidden = true;
      try { const found = await get('/api/items', { id }); items.set(id, found.items[0] ?? { item_id: id, title: data.titles[at], media: [] }); } catch { return; }
    }
    if ((hover ?? chosen) !== at) return;
    const item = items.get(id);
    replace(card, tile(item), h('p', { class: 'good-title' }, nameOf(item)), h('p', { class: 'muted small' }, [item.attributes?.category, data.modalities[at].join(' + ')].filter(Boolean).join(' · ')),
      h('button', { class: 'button', type: 'button', on: { click: () => like(at) } }, 'Like'));
    card.hidden = false;
    const [x, y] = data.points[at];
    const left = scale.x(x) + 16 + 180 > scale.width ? scale.x(x) - 196 : scale.x(x) + 16;
    card.style.setProperty('left', `${Math.max(4, left)}px`);
    card.style.setProperty('top', `${Math.max(4, Math.min(scale.height - 250, scale.y(y) - 60))}px`);
  }

  async function like(at) {
    if (!context.user) { note.textContent = 'Name a person first.'; who.focus(); return; }
    try { await post('/api/events', { user_id: context.user, item_id: data.item_ids[at], action: 'like' }); announce(`Liked ${data.titles[at] || data.item_ids[at]}`); } catch (error) { note.textContent = error.message; }
  }

  function nearestTo(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, least = 16 ** 2;
    data?.points.forEach((one, at) => { const d = (scale.x(one[0]) - x) ** 2 + (scale.y(one[1]) - y) ** 2; if (d < least) { least = d; best = at; } });
    return best;
  }
  canvas.addEventListener('pointermove', (event) => { if (event.pointerType === 'touch') return; const at = nearestTo(event); if (at !== hover && at !== null) { hover = at; showCard(at); } });
  canvas.addEventListener('pointerleave', (event) => { if (!card.contains(event.relatedTarget)) { hover = null; showCard(chosen); } });
  card.addEventListener('pointerleave', (event) => { if (event.relatedTarget !== canvas) { hover = null; showCard(chosen); } });
  canvas.addEventListener('click', (event) => { const at = nearestTo(event); chosen = at; hover = null; showCard(at); });
  canvas.addEventListener('keydown', (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === 'Escape') { chosen = null; showCard(null); return; }
    if (event.key === 'Enter' && chosen !== null) { like(chosen); return; }
    if (!way || !data?.points.length) return;
    event.preventDefault();
    hover = null;
    if (chosen === null) chosen = 0;
    else {
      const [x0, y0] = data.points[chosen];
      let best = chosen, least = Infinity;
      data.points.forEach(([x, y], at) => {
        const along = (x - x0) * way[0] + (y - y0) * way[1], across = Math.abs((x - x0) * way[1]) + Math.abs((y - y0) * way[0]);
        if (along > 1e-4 && along + 2 * across < least) { least = along + 2 * across; best = at; }
      });
      chosen = best;
    }
    showCard(chosen);
    announce(data.titles[chosen] || data.item_ids[chosen]);
  });

  async function load() {
    try {
      data = await get('/api/map');
      note.textContent = `${number(data.item_ids.length)} items; the two axes explain ${number(100 * (data.explained[0] + data.explained[1]), 0)} % of the variance`;
      const names = [...Object.keys(data.attributes), 'modality'];
      replace(colourBy, names.map((name) => h('option', { value: name }, name)));
      if (!names.includes(attribute)) [attribute] = names.includes('category') ? ['category'] : names;
      colourBy.value = attribute;
      fit();
      colour();
      if (person?.point) { trail.length = 0; moveTo(person.point); }
    } catch (error) { note.textContent = error.message; }
  }

  function showPerson(found) {
    if (found.user_id !== context.user) return;
    const isFirst = person === null;
    person = found;
    if (found.point) moveTo(found.point);
    replace(near, found.nearest.length ? found.nearest.map((id) => { const item = found.items[id] ?? { item_id: id, media: [] }; return h('li', {}, tile(item, { small: true, silent: true }), h('span', { class: 'near-title' }, nameOf(item)), h('span', { class: 'muted num small' }, number(found.likeness[id], 3))); }) : h('li', { class: 'empty' }, 'Nothing is known of their taste yet: like something on the map.'));
    if (isFirst) post('/api/requests', { user_id: context.user, explain: false }).catch(() => {});
    plot();
  }

  function showList(made) {
    // A list for a question in words is not where the person stands.
    if (made.asked !== '' || (list && made.profile_version < list.profile_version)) return;
    list = made;
    const names = new Map();
    for (const one of made.items) for (const group of grouped(one.reasons)) names.set(group.name, Math.max(names.get(group.name) ?? 0, Math.abs(group.contribution)));
    const options = ['likeness to the taste', ...[...names].filter(([, most]) => most > 0.001).sort((a, b) => b[1] - a[1]).map(([name]) => name)];
    const before = feature.value;
    replace(feature, options.map((name) => h('option', { value: name }, name)));
    if (options.includes(before)) feature.value = before;
    draw();
    loadLikeness();
  }

  let likeness = {};
  async function loadLikeness() {
    try {
      const query = new URLSearchParams([['user', context.user], ...list.items.map((one) => ['item', one.item.item_id])]);
      likeness = (await get(`/api/person?${query}`)).likeness;
      plot();
    } catch { /* the plot stays as it was */ }
  }

  function plot() {
    if (!list) { replace(plotSlot, h('p', { class: 'empty' }, 'Once the person has a list, each of its items is a point here.')); return; }
    const name = feature.value || 'likeness to the taste';
    const points = list.items.map((one) => {
      const x = name === 'likeness to the taste' ? likeness[one.item.item_id] : grouped(one.reasons).find((group) => group.name === name)?.contribution ?? 0;
      return { x, y: one.score, label: `${nameOf(one.item)}: ${name} ${number(x, 3)}, score ${number(one.score, 3)}` };
    }).filter((one) => one.x !== undefined);
    replace(plotSlot, points.length ? scatter(points, { x: name === 'likeness to the taste' ? 'cosine with the person’s taste' : `contribution of ${name}`, y: 'score in the newest list', label: `${name} against score for ${points.length} items` }) : h('p', { class: 'empty' }, 'Nothing to show yet.'));
  }

  const scheme = matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', draw);
  load();
  plot();
  return { follow: [], followsUser: true, on: { person: showPerson, list: showList }, end: () => { observer.disconnect(); scheme.removeEventListener('change', draw); cancelAnimationFrame(frame); } };
}
