// Pictures, sounds and films of items. One thing plays at a time.
import { ICONS, h, icon } from './dom.js';

let playing = null;

function stop() {
  if (!playing) return;
  playing.element.pause();
  playing.button.setAttribute('aria-pressed', 'false');
  playing.button.replaceChildren(icon(ICONS.play, true));
  playing = null;
}

function player(element, name) {
  const button = h('button', { class: 'play', type: 'button', 'aria-pressed': 'false', 'aria-label': `Play ${name}` }, icon(ICONS.play, true));
  button.addEventListener('click', (event) => {
    event.stopPropagation();
    const mine = playing?.element === element;
    stop();
    if (mine) return;
    playing = { element, button };
    button.setAttribute('aria-pressed', 'true');
    button.replaceChildren(icon(ICONS.stop, true));
    element.currentTime = 0;
    element.play().catch(stop);
  });
  element.addEventListener('ended', stop);
  return button;
}

export const nameOf = (item) => item.title || item.item_id;

function wave(seed) {
  // A picture of a sound that stands for it: bars whose heights come of its name, so that it looks the same each time.
  let state = 7;
  for (const character of seed) state = (state * 31 + character.codePointAt(0)) >>> 0;
  const bars = [];
  for (let n = 0; n < 13; n += 1) {
    state = (state * 1664525 + 1013904223) >>> 0;
    bars.push(h('i', { css: { height: `${22 + Math.round((state / 2 ** 32) * 60 * Math.sin(((n + 1) / 14) * Math.PI))}%` } }));
  }
  return h('span', { class: 'wave', 'aria-hidden': 'true' }, bars);
}

/** A tile with what an item has to see or hear. */
export function tile(item, { small = false, silent = false } = {}) {
  const media = item.media ?? [];
  const find = (kind) => media.find((one) => one.kind === kind);
  const [image, audio, video] = [find('image'), find('audio'), find('video')];
  const name = nameOf(item);
  const children = [];
  if (video) {
    const element = h('video', { src: video.url, preload: 'metadata', playsinline: true, loop: true, 'aria-hidden': 'true', tabindex: '-1' });
    children.push(element, silent ? null : player(element, `the film of ${name}`));
  } else if (image) {
    children.push(h('img', { src: image.url, alt: '', loading: 'lazy', decoding: 'async' }));
  } else if (audio) {
    children.push(wave(item.item_id));
  } else {
    children.push(h('span', { class: 'text-tile', 'aria-hidden': 'true' }, small ? 'Aa' : (item.description || name).slice(0, 90)));
  }
  if (audio && !video && !silent) {
    const element = new Audio();
    element.preload = 'none';
    element.src = audio.url;
    children.push(player(element, `the sound of ${name}`));
  }
  return h('span', { class: `tile${small ? ' small-tile' : ''}` }, children);
}

export const kindsOf = (item) => {
  const kinds = (item.media ?? []).map((one) => ({ image: 'picture', audio: 'sound', video: 'film' })[one.kind]);
  return [...new Set(item.title || item.description ? [...kinds, 'text'] : kinds)].join(' · ');
};
