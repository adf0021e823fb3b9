// What the page asks of the console, and the stream of what happens.
import { h } from './dom.js';

export class ApiError extends Error {}

async function answer(response) {
  let body = {};
  try { body = await response.json(); } catch { /* said by the status */ }
  if (response.status === 401 && await askForToken()) return null;
  if (!response.ok) throw new ApiError(body.error ?? `The console answered ${response.status}.`);
  return body;
}

export async function get(path, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const call = () => fetch(query ? `${path}?${query}` : path, { headers: { Accept: 'application/json' } });
  return await answer(await call()) ?? answer(await call());
}

export async function post(path, body) {
  const call = () => fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  return await answer(await call()) ?? answer(await call());
}

async function giveToken(token) {
  const response = await fetch('/api/session', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ token }) });
  return response.ok;
}

/** The token stands after the # of the address that the console printed; it goes to no server but by this call. */
export async function takeTokenFromAddress() {
  const found = /(?:^#|&)token=([^&]+)/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, '', location.pathname);
  await giveToken(decodeURIComponent(found[1]));
}

let asking = null;
function askForToken() {
  asking ??= new Promise((resolve) => {
    const input = h('input', { type: 'password', id: 'token', autocomplete: 'off', required: true });
    const wrong = h('p', { class: 'notice', role: 'alert', hidden: true });
    wrong.textContent = 'That is not the token.';
    const form = h('form', { class: 'stack', method: 'dialog' }, h('h2', {}, 'This console needs its token'),
      h('p', { class: 'muted' }, 'It was printed when the console started.'), h('label', { for: 'token' }, 'Token'), input, wrong,
      h('div', { class: 'row' }, h('button', { class: 'button main', type: 'submit' }, 'Open')));
    const dialog = h('dialog', { 'aria-label': 'Token' }, form);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (await giveToken(input.value)) { dialog.close(); dialog.remove(); asking = null; resolve(true); } else wrong.hidden = false;
    });
    dialog.addEventListener('cancel', (event) => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

/** One stream a page: it is opened again with what the view in front wants to know. */
export class Stream {
  #source = null;
  #timer = 0;
  constructor(onMessage, onState) { this.onMessage = onMessage; this.onState = onState; }
  follow(channels, user) {
    this.close();
    const query = new URLSearchParams(channels.map((one) => ['follow', one]));
    if (user) query.set('user', user);
    const source = new EventSource(`/api/stream?${query}`);
    this.#source = source;
    source.addEventListener('open', () => this.onState(true));
    source.addEventListener('error', () => {
      this.onState(false);
      // What was refused is not tried again by the browser itself.
      if (source.readyState === EventSource.CLOSED) this.#timer = setTimeout(() => this.follow(channels, user), 3000);
    });
    for (const kind of ['list', 'words', 'person', 'flow', 'quality', 'letter', 'step']) {
      source.addEventListener(kind, (event) => this.onMessage(kind, JSON.parse(event.data)));
    }
  }
  get isClosed() { return this.#source === null || this.#source.readyState === EventSource.CLOSED; }
  close() { clearTimeout(this.#timer); this.#source?.close(); this.#source = null; }
}
