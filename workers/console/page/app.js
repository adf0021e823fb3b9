// Which view is in front, and who one is.
import { Stream, get, post, takeTokenFromAddress } from './api.js';
import { announce, h, replace } from './dom.js';
import { invented } from './names.js';

const VIEWS = {
  try: { title: 'Try it', load: () => import('./try.js') },
  flow: { title: 'The flow', load: () => import('./flow.js') },
  map: { title: 'The map', load: () => import('./map.js') },
  items: { title: 'Items', load: () => import('./items.js') },
  quality: { title: 'Quality', load: () => import('./quality.js') },
};
const main = document.getElementById('main');
const live = document.getElementById('live');
const liveText = document.getElementById('live-text');

function showState(isOn) {
  live.className = `live ${isOn ? 'on' : 'off'}`;
  const text = isOn ? 'live' : 'connecting again';
  if (liveText.textContent !== text) liveText.textContent = text;
}

const context = {
  state: null,
  user: sessionStorage.getItem('user') ?? '',
  firstAsked: null,
  setUser(user) {
    context.user = user;
    sessionStorage.setItem('user', user);
    context.reconnect();
  },
  reconnect() {
    if (current) stream.follow(current.follow, current.followsUser ? context.user : '');
  },
};
let current = null;
// What comes before the first view is there to show it.
let early = [];
const stream = new Stream((kind, data) => { if (current) current.on?.[kind]?.(data); else early.push([kind, data]); }, showState);

const viewName = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : 'try');

/** The first list is asked for, and waited for, before anything is drawn. */
function askEarly() {
  context.user ||= invented();
  sessionStorage.setItem('user', context.user);
  stream.follow([], context.user);
  context.firstAsked = post('/api/requests', { user_id: context.user, explain: true }).then(() => null, (error) => error);
}

async function show() {
  const name = viewName();
  if (location.hash === '#main') { main.focus(); return; }
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#${name}`) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  document.title = `${VIEWS[name].title} · Freshet`;
  current?.end?.();
  current = null;
  try {
    const [view, state] = await Promise.all([VIEWS[name].load(), get('/api/state')]);
    context.state = state;
    replace(main);
    current = view.mount(main, context);
    current.name = name;
    const isFollowed = context.firstAsked !== null && !stream.isClosed;
    if (!isFollowed) early = [];
    if (current.opened) current.opened(isFollowed); else context.reconnect();
    for (const [kind, data] of early.splice(0)) current.on?.[kind]?.(data);
    if (shown) { main.focus({ preventScroll: true }); scrollTo(0, 0); announce(VIEWS[name].title); }
    shown = true;
  } catch (error) {
    replace(main, h('p', { class: 'notice', role: 'alert' }, error.message));
    showState(false);
  }
}
let shown = false;

await takeTokenFromAddress();
if (viewName() === 'try') askEarly();
addEventListener('hashchange', show);
addEventListener('pagehide', () => stream.close());
await show();
