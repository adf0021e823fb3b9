// Experiments and quality: what came of the lists, by model and arm.
import { lines } from './charts.js';
import { get } from './api.js';
import { ago, h, number, replace, svg } from './dom.js';

const KEPT = 90;
const percent = (value, digits = 1) => (value === null || value === undefined ? '–' : `${number(100 * value, digits)} %`);
const HOW = ['freshet evaluate prequential --from-topics --json reports/log.json', 'freshet evaluate offline --dataset FOLDER --json reports/models.json', 'freshet bench --json reports/speed.json'];
const KINDS = { prequential: 'A log, replayed', offline: 'Models, compared', bench: 'Speed' };
const nameOf = (one) => (one.arm ? `${one.experiment ? `${one.experiment}: ` : ''}${one.arm}` : one.model);

export function mount(main, context) {
  const history = new Map();
  const rows = h('tbody', {});
  const chart = h('div', { class: 'chart-slot' });
  const legend = h('p', { class: 'legend' });
  const note = h('p', { class: 'muted small' });
  const cards = h('dl', { class: 'stats' });
  main.append(
    h('section', { class: 'card pad', 'aria-labelledby': 'quality-title' }, h('div', { class: 'head' }, h('h1', { id: 'quality-title' }, 'Experiments and quality'), note), cards,
      h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, h('tr', {}, ['arm', 'lists shown', 'lists with a positive act', 'click-through, with its 95 % interval', '', 'coverage today', 'novelty', 'conversions'].map((name, at) => h('th', { class: [1, 2, 5, 6, 7].includes(at) ? 'right' : '' }, name || h('span', { class: 'visually-hidden' }, 'interval'))))), rows))),
    h('section', { class: 'card pad', 'aria-labelledby': 'ctr-title' }, h('div', { class: 'head' }, h('h2', { id: 'ctr-title' }, 'Click-through while this page is open'), legend), chart,
      h('p', { class: 'muted small' }, 'A list counts as clicked where at least one act on one of its items has a weight above 0. Counts begin with each join worker; freshet evaluate outcomes has intervals over people.')));
  const reports = h('div', { class: 'reports' }, h('p', { class: 'empty' }, 'Reading …'));
  const reportsNote = h('p', { class: 'muted small', role: 'status' });
  main.append(h('section', { class: 'card pad', 'aria-labelledby': 'reports-title' }, h('div', { class: 'head' }, h('h2', { id: 'reports-title' }, 'Evaluation reports'), reportsNote,
    h('button', { class: 'button quiet push', type: 'button', on: { click: loadReports } }, 'Read again')), reports));
  loadReports();

  function cell(value) {
    if (typeof value !== 'number') return h('td', { class: value === null ? 'right' : '' }, value ?? '–');
    // Shares, milliseconds, rates: four digits say enough of each.
    const digits = Number.isInteger(value) ? 0 : Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 2 : 4;
    return h('td', { class: 'right' }, number(value, digits));
  }

  function reportTable({ title, columns, rows: lines, left_out: more }, place) {
    const isNumber = columns.map((_, at) => lines.every((line) => typeof line[at] !== 'string'));
    const head = h('tr', {}, columns.map((name, at) => h(name ? 'th' : 'td', name ? { scope: 'col', class: isNumber[at] ? 'right' : '' } : {}, name)));
    const table = h('table', {}, columns.some(Boolean) ? h('thead', {}, head) : null, h('tbody', {}, lines.map((line) => h('tr', {}, line.map(cell)))));
    return h('details', { open: place < 2 }, h('summary', {}, title), h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title }, table,
      more ? h('p', { class: 'muted small' }, `and ${number(more)} rows more`) : null));
  }

  async function loadReports() {
    try {
      const found = await get('/api/reports');
      reportsNote.textContent = found.reports.length ? `${found.reports.length} shown, the newest first${found.left_out ? `, ${number(found.left_out)} older left out` : ''}` : '';
      if (found.problem) { replace(reports, h('p', { class: 'notice' }, found.problem)); return; }
      if (!found.reports.length) {
        replace(reports, h('p', {}, found.is_set ? 'The folder of console.reports holds no report yet. Make one:' : 'No folder of reports is set. Make a report, and name its folder in console.reports:'), h('pre', { class: 'mono how', tabindex: 0, role: 'region', 'aria-label': 'Commands' }, HOW.join('\n')));
        return;
      }
      replace(reports, found.reports.map((one, at) => h('details', { class: 'report', open: at === 0 },
        h('summary', {}, h('b', {}, KINDS[one.kind] ?? one.file), ' ', one.title, h('span', { class: 'muted small' }, ` ${one.kind ? `${one.file}, ` : ''}${ago(one.modified_ms)}`)),
        one.problem ? h('p', { class: 'notice' }, `${one.file}: ${one.problem}`) : one.tables.map(reportTable))));
    } catch (error) { replace(reports, h('p', { class: 'notice', role: 'alert' }, error.message)); }
  }
  replace(rows, h('tr', {}, h('td', { colspan: 8, class: 'empty' }, 'Waiting for the join workers’ figures …')));

  function interval([value, low, high], most) {
    const x = (share) => 4 + (share / most) * 152;
    return svg('svg', { class: 'interval', viewBox: '0 0 160 18', role: 'img', 'aria-label': `between ${percent(low)} and ${percent(high)}` },
      svg('line', { class: 'grid', x1: 4, x2: 156, y1: 9, y2: 9 }), svg('line', { class: 'reach', x1: x(low), x2: x(high), y1: 9, y2: 9 }), svg('circle', { cx: x(value), cy: 9, r: 4.5, class: 'mark' }));
  }

  function quality({ arms, index_items }) {
    note.textContent = context.state.experiment ? `experiment ${context.state.experiment}` : 'no experiment runs: one row for each model';
    if (!arms.length) { replace(rows, h('tr', {}, h('td', { colspan: 8, class: 'empty' }, 'No list has been joined with an outcome yet. Click on something in a list.'))); return; }
    const sum = (name) => arms.reduce((total, one) => total + one[name], 0);
    replace(cards, [['lists shown', number(sum('lists'))], ['items shown', number(sum('items'))], ['positive acts', number(sum('positives'))], ['items in the index', number(index_items)]].map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', { class: 'num' }, value))));
    const most = Math.max(0.02, ...arms.map((one) => one.click_through[2])) * 1.05;
    replace(rows, arms.map((one) => h('tr', {}, h('td', {}, h('b', {}, nameOf(one)), one.arm ? h('span', { class: 'muted small' }, ` ${one.model}`) : null), h('td', { class: 'right' }, number(one.lists)), h('td', { class: 'right' }, number(one.positive_lists)),
      h('td', {}, h('b', { class: 'num' }, percent(one.click_through[0])), h('span', { class: 'muted small num' }, ` ${percent(one.click_through[1])} – ${percent(one.click_through[2])}`)), h('td', {}, interval(one.click_through, most)),
      h('td', { class: 'right' }, percent(one.coverage, 0)), h('td', { class: 'right' }, one.novelty_bits_each === null ? '–' : `${number(one.novelty_bits_each, 1)} bits`), h('td', { class: 'right' }, number(one.converted_lists)))));
    for (const one of arms) {
      const values = history.get(nameOf(one)) ?? [];
      values.push(100 * one.click_through[0]);
      if (values.length > KEPT) values.shift();
      history.set(nameOf(one), values);
    }
    const series = [...history].slice(0, 6).map(([name, values], at) => ({ name, className: `series-${at}`, values }));
    replace(legend, series.map((one) => h('span', {}, h('span', { class: `swatch ${one.className}` }), one.name)));
    replace(chart, lines(series, { label: 'Click-through of each arm over time', unit: ' %', width: 1000, height: 180 }));
  }
  return { follow: ['quality'], on: { quality } };
}
