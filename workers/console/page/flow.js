// The flow: the picture of the design, live.
import { get, post } from './api.js';
import { lines } from './charts.js';
import { ago, announce, h, ms, number, replace, svg } from './dom.js';

const W = 132, H = 58;
const ROLES = {
  text: [236, 44], image: [236, 118], audio: [236, 192], video: [236, 266], fuse: [560, 155], profile: [236, 420],
  recommend: [745, 318], learn: [560, 492], join: [1075, 440], explain: [1075, 240],
};
const TOPICS = {
  items: [70, 155], 'item-features': [400, 155], 'item-vectors': [745, 155], events: [70, 420], profiles: [400, 420],
  requests: [400, 318], recommendations: [910, 318], learned: [745, 492], outcomes: [1075, 530], explanations: [1075, 140],
};
// From, to, and the role whose work it shows.
const EDGES = [
  ['items', 'text', 'text'], ['items', 'image', 'image'], ['items', 'audio', 'audio'], ['items', 'video', 'video'],
  ['text', 'item-features', 'text'], ['image', 'item-features', 'image'], ['audio', 'item-features', 'audio'], ['video', 'item-features', 'video'],
  ['item-features', 'fuse', 'fuse'], ['fuse', 'item-vectors', 'fuse'], ['item-vectors', 'recommend', 'fuse'], ['events', 'profile', 'profile'],
  ['profile', 'profiles', 'profile'], ['profiles', 'recommend', 'recommend'], ['requests', 'recommend', 'recommend'], ['recommend', 'recommendations', 'recommend'],
  ['profiles', 'learn', 'learn'], ['learn', 'learned', 'learn'], ['learned', 'recommend', 'learn'], ['recommendations', 'explain', 'explain'],
  ['explain', 'explanations', 'explain'], ['recommendations', 'join', 'join'], ['profiles', 'join', 'join'], ['join', 'outcomes', 'join'],
];
const KEPT = 60;

const widthOf = (name) => (name in ROLES ? W : Math.max(70, name.length * 7.4 + 24));

function path(from, to) {
  const [x0, y0] = ROLES[from] ?? TOPICS[from];
  const [x1, y1] = ROLES[to] ?? TOPICS[to];
  if (from === 'profiles' && to === 'join') return `M${x0 + 20} ${y0 + 16} C${x0 + 60} 590 ${x1 - 240} 590 ${x1 - W / 2 - 2} ${y1 + 14}`;
  if (Math.abs(x0 - x1) < 20) {
    const half0 = (from in ROLES ? H : 30) / 2, half1 = (to in ROLES ? H : 30) / 2;
    return y1 > y0 ? `M${x0} ${y0 + half0}L${x1} ${y1 - half1 - 2}` : `M${x0} ${y0 - half0}L${x1} ${y1 + half1 + 2}`;
  }
  const a = x0 + widthOf(from) / 2, b = x1 - widthOf(to) / 2 - 2, mid = (a + b) / 2;
  return `M${a} ${y0} C${mid} ${y0} ${mid} ${y1} ${b} ${y1}`;
}

export function mount(main, context) {
  const { state } = context;
  const history = { p50: [], p99: [], lists: [] };
  const boxes = {};
  const edges = EDGES.map(([from, to, role]) => ({ role, node: svg('path', { class: 'edge', d: path(from, to), 'marker-end': 'url(#tip)' }) }));
  const picture = svg('svg', { class: 'flow', viewBox: '0 0 1150 560', role: 'img', 'aria-label': 'The roles and the topics between them; the table below has the same figures' },
    svg('defs', {}, svg('marker', { id: 'tip', viewBox: '0 0 8 8', refX: 6, refY: 4, markerWidth: 6, markerHeight: 6, orient: 'auto-start-reverse' }, svg('path', { d: 'M0 0L8 4L0 8z', class: 'tip' }))),
    edges.map((one) => one.node),
    Object.entries(TOPICS).map(([name, [x, y]]) => svg('g', { class: 'topic' }, svg('rect', { x: x - widthOf(name) / 2, y: y - 15, width: widthOf(name), height: 30, rx: 15 }), svg('text', { x, y: y + 4, 'text-anchor': 'middle' }, name))),
    Object.entries(ROLES).map(([name, [x, y]]) => {
      const rate = svg('text', { class: 'rate', x: x - W / 2 + 12, y: y + 9 });
      const more = svg('text', { class: 'more', x: x - W / 2 + 12, y: y + 22 });
      const count = svg('text', { class: 'more', x: x + W / 2 - 11, y: y - 11, 'text-anchor': 'end' });
      const state = svg('circle', { cx: x - W / 2 + 15, cy: y - 15, r: 3.5, class: 'state' });
      const group = svg('g', { class: 'role' }, svg('rect', { x: x - W / 2, y: y - H / 2, width: W, height: H, rx: 12 }), state,
        svg('text', { class: 'role-name', x: x - W / 2 + 24, y: y - 11 }, name), rate, more, count);
      boxes[name] = { group, rate, more, count };
      return group;
    }));
  const stats = h('dl', { class: 'stats' });
  const chart = h('div', { class: 'chart-slot' });
  const rows = h('tbody', {});
  const letterRows = h('tbody', {});
  const letterNote = h('p', { class: 'muted small' });
  const note = h('p', { class: 'muted small' }, 'Reading the workers’ metrics …');
  const letters = new Map();
  main.append(
    h('section', { class: 'card pad', 'aria-labelledby': 'flow-title' }, h('div', { class: 'head' }, h('h1', { id: 'flow-title' }, 'The flow'), note), stats, h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Picture of the flow' }, picture)),
    h('div', { class: 'halves' },
      h('section', { class: 'card pad', 'aria-labelledby': 'latency-title' }, h('div', { class: 'head' }, h('h2', { id: 'latency-title' }, 'Event to list'), h('p', { class: 'muted small' }, h('span', { class: 'swatch line-a' }), 'median ', h('span', { class: 'swatch line-b' }), '99th percentile, while this page is open')), chart),
      h('section', { class: 'card pad', 'aria-labelledby': 'letters-title' }, h('div', { class: 'head' }, h('h2', { id: 'letters-title' }, 'Dead letters'), letterNote),
        h('div', { class: 'scroll letters' }, h('table', {}, h('thead', {}, h('tr', {}, h('th', {}, 'when'), h('th', {}, 'reason'), h('th', {}, 'message'), h('th', {}, h('span', { class: 'visually-hidden' }, 'open')))), letterRows)))),
    h('section', { class: 'card pad', 'aria-labelledby': 'roles-title' }, h('div', { class: 'head' }, h('h2', { id: 'roles-title' }, 'Roles'), h('p', { class: 'muted small' }, `in use: ranker ${state.ranker}, vector space ${state.space}, encoders ${Object.values(state.encoders).join(', ')}`)),
      h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, h('tr', {}, ['role', 'workers', 'partitions', 'in /s', 'out /s', 'batch', 'time p50', 'time p99', 'lag', 'in flight', 'state'].map((name, at) => h('th', { class: at && at < 10 ? 'right' : '' }, name)))), rows))));

  function flow(data) {
    if (!data.stream) return;
    const { roles, groups, stream } = data;
    const up = data.workers.filter((one) => one.up).length;
    note.textContent = data.workers.length ? `${up} of ${data.workers.length} workers answer · over the last ${number(stream.window_s)} s` : 'No worker’s metrics are known: Kafka’s groups alone are shown. Name them in console.workers.';
    const event = stream.causes.event ?? {}, asked = stream.causes.request ?? {};
    const dead = Object.values(stream.dead_letters).reduce((sum, one) => sum + one, 0);
    const steps = Math.max(0, ...Object.values(stream.learned_steps));
    replace(stats, [
      ['lists a second', number(stream.lists_per_s, 1)], ['event to list, p50', ms(event.p50_ms)], ['p99', ms(event.p99_ms)], ['request to list, p50', ms(asked.p50_ms)],
      ['making a list, p50', ms(stream.list_p50_ms)], ['items in the index', number(stream.index_items)], ['events learned from', number(steps)], ['dead letters', number(dead)],
    ].map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', { class: 'num' }, value))));
    for (const [name, box] of Object.entries(boxes)) {
      const role = roles[name], group = groups[name];
      const workers = role?.workers ?? group?.members ?? 0;
      box.group.setAttribute('class', `role ${!workers ? 'down' : role?.paused_s > 0 ? 'paused' : role && role.ready < role.workers ? 'paused' : 'up'}`);
      box.rate.textContent = role?.in_per_s !== undefined ? `${number(role.in_per_s, role.in_per_s < 10 ? 1 : 0)}/s` : '–';
      box.more.textContent = `${role?.process_p50_ms ? `p50 ${ms(role.process_p50_ms)} · ` : ''}lag ${number(role?.lag ?? group?.lag ?? 0)}`;
      box.count.textContent = workers ? `×${workers}` : 'none';
    }
    for (const one of edges) {
      const rate = roles[one.role]?.in_per_s ?? 0;
      one.node.setAttribute('class', rate > 0.05 ? `edge moving ${rate > 20 ? 'fast' : ''}` : 'edge');
    }
    replace(rows, Object.keys(ROLES).map((name) => {
      const role = roles[name] ?? {}, group = groups[name] ?? {};
      const workers = role.workers ?? group.members ?? 0;
      const state = !workers ? 'no worker' : role.paused_s > 0 ? `waits for ${number(role.paused_s)} s` : role.ready < role.workers ? 'gets ready' : 'works';
      return h('tr', {}, h('td', {}, h('b', {}, name)), [number(workers), number(role.partitions ?? group.partitions), number(role.in_per_s, 1), number(role.out_per_s, 1), number(role.batch_records, 1), ms(role.process_p50_ms), ms(role.process_p99_ms), number(role.lag ?? group.lag), number(role.in_flight)].map((one) => h('td', { class: 'right' }, one)), h('td', {}, state, role.restarts ? ` · ${role.restarts} restarts` : ''));
    }));
    for (const [name, value] of [['p50', event.p50_ms], ['p99', event.p99_ms]]) { history[name].push(value ?? null); if (history[name].length > KEPT) history[name].shift(); }
    replace(chart, lines([{ name: 'p99', className: 'line-b', values: history.p99 }, { name: 'median', className: 'line-a', values: history.p50 }], { label: `From event to list: median ${ms(event.p50_ms)}, 99th percentile ${ms(event.p99_ms)}`, unit: ' ms' }));
  }

  function showLetters() {
    const all = [...letters.values()].sort((a, b) => b.number - a.number).slice(0, 50);
    letterNote.textContent = all.length ? `${letters.size} newest` : '';
    replace(letterRows, all.length ? all.map((one) => h('tr', {}, h('td', { class: 'muted' }, ago(Date.parse(one.failed_at))), h('td', {}, h('b', {}, one.reason.replaceAll('_', ' ')), h('br'), h('span', { class: 'muted small' }, one.stage)),
      h('td', {}, one.source.key ?? '(no key)', h('br'), h('span', { class: 'muted small' }, one.detail.slice(0, 110))),
      h('td', {}, h('button', { class: 'button', type: 'button', 'aria-label': `Open dead letter ${one.number}`, on: { click: () => open(one.number) } }, 'Open')))) : h('tr', {}, h('td', { colspan: 4, class: 'empty' }, 'None. Everything could be processed.')));
  }

  async function open(number_) {
    const body = h('div', { class: 'stack' }, h('p', { class: 'muted' }, 'Fetching it …'));
    const dialog = h('dialog', { 'aria-label': `Dead letter ${number_}` }, body);
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    const close = () => h('button', { class: 'button', type: 'button', on: { click: () => dialog.close() } }, 'Close');
    try {
      const letter = await get(`/api/dead-letters/${number_}`);
      const told = h('p', { role: 'status', class: 'muted small' });
      const replay = h('button', { class: 'button main', type: 'button', on: { click: async () => {
        replay.disabled = true;
        told.textContent = 'Publishing it again …';
        try { await post(`/api/dead-letters/${number_}/replay`, {}); told.textContent = 'Published again where it came from.'; announce('Published again'); } catch (error) { told.textContent = error.message; replay.disabled = false; }
      } } }, 'Replay');
      const source = letter.source;
      replace(body, h('h2', {}, letter.reason.replaceAll('_', ' ')), h('p', {}, letter.detail),
        h('dl', { class: 'facts' }, [['stage', letter.stage], ['key', source.key ?? '(none)'], ['source', `${source.topic}, partition ${source.partition}, offset ${source.offset}`], ['attempts', letter.attempts], ['failed at', new Date(letter.failed_at).toLocaleString('en-GB')]].flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, String(value))])),
        h('h3', {}, 'Payload'), h('pre', { tabindex: 0, 'aria-label': 'Payload' }, letter.payload ?? '(the message had none, or it was too large)'),
        letter.left_out_characters ? h('p', { class: 'muted small' }, `${number(letter.left_out_characters)} more characters`) : null,
        h('p', { class: 'muted small' }, 'Mend the cause first. Replaying is safe to repeat: what was published again since is left alone.'),
        h('div', { class: 'row' }, replay, close(), told));
    } catch (error) { replace(body, h('p', { class: 'notice', role: 'alert' }, error.message), h('div', { class: 'row' }, close())); }
  }

  function letter(one) { letters.set(one.number, one); if (letters.size > 200) letters.delete(Math.min(...letters.keys())); showLetters(); }
  get('/api/dead-letters').then((found) => { found.letters.forEach((one) => letters.set(one.number, one)); showLetters(); }, (error) => { letterNote.textContent = error.message; });
  return { follow: ['flow', 'letters'], on: { flow, letter } };
}
