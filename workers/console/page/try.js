// Try it: be somebody, act, and see the list follow.
import { get, post } from './api.js';
import { ICONS, ago, announce, h, icon, ms, number, reducedMotion, replace, svg } from './dom.js';
import { kindsOf, nameOf, tile } from './media.js';
import { invented } from './names.js';
import { bar, details, extent, legend } from './reasons.js';

const SHOWN = 12;
const SETTLE_MS = 700;
const VERBS = { click: 'clicked', like: 'liked', skip: 'skipped', view: 'viewed', play: 'played', dislike: 'disliked', purchase: 'bought', rate: 'rated', add_to_cart: 'put in the cart' };
const verb = (action) => VERBS[action] ?? action;

export function mount(main, context) {
  const latencies = [];
  const acts = new Map();
  let list = null;
  let words = null;
  let newestWords = null;
  let settle = 0;
  let lastEvent = null;
  let shuffle = 1 + Math.floor(Math.random() * 1e6);
  let isAsked = false;
  let query = '';

  // Who one is
  const people = h('datalist', { id: 'people' }, context.state.people.map((one) => h('option', { value: one.user_id })));
  const name = h('input', { type: 'text', id: 'who', list: 'people', maxlength: 64, autocomplete: 'off', spellcheck: 'false', value: context.user });
  const whoForm = h('form', { class: 'who' }, h('label', { for: 'who' }, 'You are'), name, people,
    h('button', { class: 'button', type: 'submit' }, 'Be them'),
    h('button', { class: 'button quiet', type: 'button', on: { click: () => become(invent()) } }, 'Somebody new'));
  whoForm.addEventListener('submit', (event) => { event.preventDefault(); if (name.value.trim()) become(name.value.trim()); });
  const past = h('ul', { class: 'past', 'aria-label': 'What you did last' });
  const figure = h('p', { class: 'figure num' }, '–');
  const figureText = h('p', { class: 'muted small' }, 'from your click in Kafka to the new list');
  const spark = svg('svg', { class: 'spark', viewBox: '0 0 160 36', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const sparkText = h('p', { class: 'muted small num' }, 'Do something to see it.');
  const top = h('section', { class: 'card pad person', 'aria-label': 'You' },
    h('div', { class: 'person-main' }, h('h1', {}, 'Be somebody, and act'), whoForm, past),
    h('div', { class: 'person-latency' }, figure, figureText, spark, sparkText));

  // The list
  const listTitle = h('h2', { id: 'list-title' }, 'The list');
  const listNote = h('p', { class: 'muted small' });
  const inWords = h('input', { type: 'search', id: 'ask', placeholder: 'something warm for a rainy evening', maxlength: context.state.query.max_characters, autocomplete: 'off', 'aria-describedby': 'ask-note' });
  const clearWords = h('button', { class: 'button quiet', type: 'button', hidden: true, on: { click: () => { askInWords(''); inWords.focus(); } } }, 'Clear');
  const askNote = h('p', { class: 'ask-note', id: 'ask-note', 'aria-live': 'polite' });
  const askForm = h('form', { class: 'ask', role: 'search' }, h('label', { for: 'ask' }, 'Ask in words'), inWords,
    h('button', { class: 'button', type: 'submit' }, 'Ask'), clearWords);
  askForm.addEventListener('submit', (event) => { event.preventDefault(); askInWords(inWords.value.trim()); });
  inWords.addEventListener('input', () => { if (!inWords.value && query) askInWords(''); });
  const listLegend = h('p', { class: 'legend', 'aria-hidden': 'true' });
  const rows = h('ol', { class: 'list' });
  const listCard = h('section', { class: 'card pad', 'aria-labelledby': 'list-title' }, h('div', { class: 'head' }, listTitle, listNote), context.state.query.enabled ? [askForm, askNote] : null, listLegend, rows);

  // The shelves
  const shelf = h('ul', { class: 'shelf' });
  const shelfNote = h('p', { class: 'muted small' });
  const search = h('input', { type: 'search', id: 'search', placeholder: 'Search the shelves', 'aria-label': 'Search the shelves', autocomplete: 'off' });
  let searchTimer = 0;
  search.addEventListener('input', () => { clearTimeout(searchTimer); searchTimer = setTimeout(loadShelf, 200); });
  const shelfCard = h('section', { class: 'card pad', 'aria-labelledby': 'shelf-title' },
    h('div', { class: 'head' }, h('h2', { id: 'shelf-title' }, 'The shelves'), shelfNote,
      h('button', { class: 'button quiet push', type: 'button', on: { click: () => { shuffle += 1; loadShelf(); } } }, icon(ICONS.shuffle), 'Others')), search, shelf);
  // For those who scrolled down to the shelves: what their act did further up.
  let toastTimer = 0;
  const toast = h('button', { class: 'toast', type: 'button', hidden: true, on: { click: () => { toast.hidden = true; listCard.scrollIntoView({ behavior: reducedMotion() ? 'auto' : 'smooth' }); } } });
  main.append(top, h('div', { class: 'try' }, listCard, shelfCard), toast);

  const invent = () => invented(new Set(context.state.people.map((one) => one.user_id)));

  function become(user) {
    begin(user);
    context.setUser(user);
  }

  function begin(user) {
    name.value = user;
    list = words = lastEvent = null;
    acts.clear();
    setQuery('');
    replace(past);
    replace(rows, h('li', { class: 'empty' }, 'Asking for a list …'));
    listTitle.textContent = `For ${user}`;
    listNote.textContent = '';
    isAsked = false;
  }

  async function opened(isFollowed) {
    const asked = context.firstAsked;
    context.firstAsked = null;
    if (isFollowed) begin(context.user); else become(context.user || invent());
    isAsked = isFollowed;
    setTimeout(loadShelf);
    if (!isFollowed) return;
    const error = await asked;
    if (error) problem(error);
  }

  function setQuery(asked) {
    query = inWords.value = asked;
    clearWords.hidden = !asked;
    askNote.textContent = asked ? `Asking for “${asked}” …` : '';
  }

  /** Without words: back to the person's own list. */
  function askInWords(asked) {
    if (!asked && !query) return;
    clearTimeout(settle);
    setQuery(asked);
    ask();
  }

  function heard({ query: answer, items }) {
    if (!answer.used) return `Your words do not count: ${answer.detail ?? 'they were not understood'}.`;
    const found = `${items.length} items for “${query}”.`;
    if (answer.negations === 'heeded') return `${found} What you do not want counts against an item; it is no filter.`;
    return answer.detail ? `${found} But ${answer.detail.replaceAll('`', '')}.` : found;
  }

  async function ask() {
    try {
      await post('/api/requests', { user_id: context.user, explain: true, query, ...(lastEvent ? { after_event_id: lastEvent } : {}) });
    } catch (error) { problem(error); }
  }

  function problem(error) { replace(rows, h('li', { class: 'notice', role: 'alert' }, error.message)); }

  async function act(item, action, fromList) {
    if (!context.user) become(invent());
    acts.set(item.item_id, action);
    mark(item.item_id, action);
    try {
      const sent = await post('/api/events', { user_id: context.user, item_id: item.item_id, action, ...(fromList && list ? { recommendation_id: list.recommendation_id } : {}) });
      lastEvent = sent.event_id;
      doneTo.set(sent.event_id, [action, nameOf(item)]);
      // The list may be here before the answer that names its cause.
      if (list?.cause.id === sent.event_id) { figureText.textContent = caused(list); tellOutcome(list); }
      askSoon();
    } catch (error) { problem(error); }
  }

  /** Words are asked for once one stops to look. */
  function askSoon() {
    clearTimeout(settle);
    settle = setTimeout(ask, SETTLE_MS);
  }
  const doneTo = new Map();

  function buttons(item, fromList) {
    const button = (action, path, label) => h('button', { class: `act act-${action}`, type: 'button', 'aria-label': `${label} ${nameOf(item)}`, title: label, data: { action }, 'aria-pressed': String(acts.get(item.item_id) === action), on: { click: () => act(item, action, fromList) } }, icon(path));
    return h('span', { class: 'acts', data: { acts: item.item_id } }, button('click', ICONS.open, 'Click'), button('like', ICONS.like, 'Like'), button('skip', ICONS.skip, 'Skip'));
  }

  function mark(itemId, action) {
    for (const group of main.querySelectorAll('[data-acts]')) {
      if (group.dataset.acts === itemId) for (const one of group.children) one.setAttribute('aria-pressed', String(one.dataset.action === action));
    }
  }

  function row(one, rank, scale, before) {
    const { item } = one;
    const was = before?.get(item.item_id);
    const moved = before === null || was === rank ? null : was === undefined ? h('span', { class: 'move new' }, 'new') : h('span', { class: `move ${was > rank ? 'up' : 'down'}` }, h('span', { 'aria-hidden': 'true' }, was > rank ? '↑' : '↓'), h('span', { class: 'visually-hidden' }, was > rank ? 'up' : 'down'), ` ${Math.abs(was - rank)}`);
    const text = words?.texts?.[item.item_id];
    return h('li', { class: 'row-item', data: { id: item.item_id } },
      h('span', { class: 'rank num', 'aria-hidden': 'true' }, rank + 1), tile(item, { small: true }),
      h('div', { class: 'row-main' },
        h('p', { class: 'row-title' }, h('span', {}, nameOf(item)), moved),
        h('p', { class: 'words', data: { words: item.item_id } }, text ?? h('span', { class: 'muted' }, kindsOf(item))),
        h('details', { class: 'reason-details' }, h('summary', {}, bar(one, scale), h('span', { class: 'score num' }, number(one.score, 2))), details(one))),
      buttons(item, true));
  }

  function showList(made) {
    if (made.cause.kind === 'event' && made.latency_ms !== null) showLatency(made);
    // An answer that did not wait for this event has the words of an older list: they are asked for again.
    if (doneTo.has(made.cause.id)) askSoon();
    // While words are asked for, the list is theirs; an act has them asked again.
    if (made.asked !== query || made.recommendation_id === list?.recommendation_id) return;
    const before = list && list.user_id === made.user_id && list.asked === made.asked ? new Map(list.items.slice(0, SHOWN).map((one, at) => [one.item.item_id, at])) : null;
    if (list && list.asked === made.asked && made.profile_version < list.profile_version) return;
    const same = before && made.items.slice(0, SHOWN).every((one, at) => before.get(one.item.item_id) === at);
    const openIds = new Set([...rows.querySelectorAll('details[open]')].map((one) => one.closest('li').dataset.id));
    const focused = document.activeElement?.closest?.('.row-item') ? [document.activeElement.closest('.row-item').dataset.id, document.activeElement.dataset.action] : null;
    const places = new Map([...rows.children].map((node) => [node.dataset.id, node.getBoundingClientRect().top]));
    list = made;
    if (newestWords?.recommendation_id === made.recommendation_id) words = newestWords;
    else if (words && words.recommendation_id !== made.recommendation_id && !same) words = null;
    const shown = made.items.slice(0, SHOWN);
    const scale = extent(shown);
    replace(rows, shown.length ? shown.map((one, at) => row(one, at, scale, before)) : h('li', { class: 'empty' }, made.shortfall ?? 'Nothing to recommend yet.'));
    for (const node of rows.children) if (openIds.has(node.dataset.id)) node.querySelector('details').open = true;
    if (focused) rows.querySelector(`[data-id="${CSS.escape(focused[0])}"] [data-action="${focused[1]}"]`)?.focus({ preventScroll: true });
    if (!reducedMotion()) {
      for (const node of rows.children) {
        const from = places.get(node.dataset.id);
        if (from === undefined) { if (before) node.animate([{ opacity: 0, transform: 'translateX(14px)' }, { opacity: 1, transform: 'none' }], { duration: 320, easing: 'ease-out' }); continue; }
        const delta = from - node.getBoundingClientRect().top;
        if (Math.abs(delta) > 1) node.animate([{ transform: `translateY(${delta}px)` }, { transform: 'none' }], { duration: 420, easing: 'cubic-bezier(.2,.7,.2,1)' });
      }
    }
    replace(listLegend, legend(shown));
    listNote.textContent = `${made.items.length} items, knows ${made.profile_version} ${made.profile_version === 1 ? 'event' : 'events'}${made.arm ? ` · arm ${made.arm}` : ''}`;
    if (made.query) askNote.textContent = heard(made);
    tellOutcome(made);
  }

  /** Say what the viewer's own act did to the list; nothing where the act is somebody else's or not known yet. */
  function tellOutcome(made) {
    if (made.cause.kind !== 'event' || !doneTo.has(made.cause.id)) return;
    const first = made.items.length ? nameOf(made.items[0].item) : 'nothing';
    if (listCard.getBoundingClientRect().bottom < 140) {
      toast.textContent = `${ms(made.latency_ms)} · now first: ${first} ↑`;
      toast.hidden = false;
      clearTimeout(toastTimer);
      toastTimer = setTimeout(() => { toast.hidden = true; }, 6000);
    }
    announce(`List updated in ${ms(made.latency_ms)}: first is ${first}`);
  }

  function caused(made) {
    const did = doneTo.get(made.cause.id);
    return did ? `after you ${verb(did[0])} ${did[1]}: event published to list received` : 'event published to list received';
  }

  function showLatency(made) {
    const latency = made.latency_ms;
    latencies.push(latency);
    if (latencies.length > 40) latencies.shift();
    figure.textContent = ms(latency);
    figureText.textContent = caused(made);
    const most = Math.max(...latencies, 20);
    const step = 160 / Math.max(12, latencies.length);
    replace(spark, latencies.map((one, at) => svg('rect', { x: at * step, y: 36 - (32 * one) / most, width: Math.max(1, step - 1.5), height: (32 * one) / most, rx: 1, class: at === latencies.length - 1 ? 'now' : 'then' })));
    const sorted = [...latencies].sort((a, b) => a - b);
    sparkText.textContent = `median ${ms(sorted[Math.floor((sorted.length - 1) / 2)])} of your last ${latencies.length}`;
  }

  function showWords(found) {
    // They may overtake their list.
    newestWords = found;
    if (!list || found.recommendation_id !== list.recommendation_id) return;
    words = found;
    for (const node of rows.querySelectorAll('[data-words]')) {
      const text = found.texts[node.dataset.words];
      if (text) node.textContent = text;
    }
    listNote.title = `words by ${found.generator}`;
  }

  function showPerson(found) {
    if (found.user_id !== context.user) return;
    // Somebody is greeted with this once the stream is open: no answer can be missed from then on.
    if (!isAsked) { isAsked = true; ask(); }
    replace(past, found.history.slice(0, 8).map((one) => {
      const item = found.items[one.item_id] ?? { item_id: one.item_id };
      return h('li', { title: `${verb(one.action)} ${ago(one.at_ms)}` }, h('b', {}, verb(one.action)), ' ', nameOf(item));
    }));
    if (!found.history.length) replace(past, h('li', { class: 'none' }, found.version ? 'nothing that says what you like' : 'a stranger: the list is what is popular'));
  }

  let shelfLoads = 0;
  async function loadShelf() {
    const load = ++shelfLoads;
    try {
      const found = await get('/api/items', { words: search.value, count: 24, shuffle });
      // An answer may overtake an older one.
      if (load !== shelfLoads) return;
      shelfNote.textContent = `${number(found.total)} items`;
      replace(shelf, found.items.map((item) => h('li', { class: 'good' }, tile(item), h('p', { class: 'good-title' }, nameOf(item)),
        h('div', { class: 'good-foot' }, h('span', { class: 'muted small' }, item.attributes?.category ?? kindsOf(item)), buttons(item, false)))));
      if (!found.items.length) {
        replace(shelf, h('li', { class: 'empty' }, search.value ? 'Nothing by these words.' : 'No items yet. Publish some, or go to Items.'));
        if (!search.value) setTimeout(() => { if (main.contains(shelf)) loadShelf(); }, 2000);
      }
    } catch (error) { shelfNote.textContent = error.message; }
  }

  return { follow: [], followsUser: true, on: { list: showList, words: showWords, person: showPerson }, opened, end: () => { clearTimeout(settle); clearTimeout(searchTimer); clearTimeout(toastTimer); } };
}
