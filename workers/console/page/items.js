// Items: upload one, and see it become recommendable, step by step.
import { get, post } from './api.js';
import { announce, h, ms, number, replace } from './dom.js';
import { nameOf, tile } from './media.js';

const STEPS = { published: 'in Kafka', declared: 'read and declared', encoded: 'encoded', failed: 'could not be encoded', fused: 'fused', recommendable: 'recommendable', not_recommendable: 'not on a list within its time' };
const MODALITY = { text: 'text', image: 'picture', audio: 'sound', video: 'film' };
const ACCEPT = { image: 'image/*', audio: 'audio/*', video: 'video/*' };

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(String(reader.result).split(',', 2)[1] ?? ''));
    reader.addEventListener('error', () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

export function mount(main, context) {
  const limit = context.state.upload_max_bytes;
  const journeys = new Map();
  const title = h('input', { type: 'text', id: 'title', maxlength: 200, autocomplete: 'off' });
  const description = h('textarea', { id: 'description', maxlength: 2000, rows: 3 });
  const category = h('input', { type: 'text', id: 'category', maxlength: 60, autocomplete: 'off' });
  const files = Object.fromEntries(Object.keys(ACCEPT).map((kind) => [kind, h('input', { type: 'file', id: `file-${kind}`, accept: ACCEPT[kind] })]));
  const variants = h('input', { type: 'checkbox', id: 'variants' });
  const told = h('p', { role: 'status', class: 'small muted' });
  const submit = h('button', { class: 'button main', type: 'submit' }, 'Publish');
  const form = h('form', { class: 'upload' },
    h('div', { class: 'field wide' }, h('label', { for: 'title' }, 'Title'), title), h('div', { class: 'field wide' }, h('label', { for: 'description' }, 'Description'), description),
    Object.entries(files).map(([kind, input]) => h('div', { class: 'field file' }, h('label', { for: `file-${kind}` }, `A ${MODALITY[kind]}`), input)),
    h('div', { class: 'field' }, h('label', { for: 'category' }, 'Category'), category),
    h('div', { class: 'wide check' }, variants, h('label', { for: 'variants' }, 'Publish it again with each modality withheld, to compare')),
    h('div', { class: 'row wide' }, submit, h('span', { class: 'muted small' }, `Each file at most ${number(limit / (1 << 20), 0)} MiB.`), told));
  const results = h('div', { class: 'journeys' });
  main.append(
    h('section', { class: 'card pad', 'aria-labelledby': 'items-title' }, h('div', { class: 'head' }, h('h1', { id: 'items-title' }, 'Publish an item'), h('p', { class: 'muted small' }, 'It goes to the topic items, as anybody’s would.')), form),
    h('section', { 'aria-labelledby': 'ways-title' }, h('div', { class: 'head' }, h('h2', { id: 'ways-title' }, 'Its way'), h('p', { class: 'muted small' }, 'times from the moment it is sent to Kafka')), results));
  const empty = h('p', { class: 'card empty' }, 'Publish something, and its steps show here as they happen.');
  results.append(empty);

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const media = [];
    try {
      for (const [kind, input] of Object.entries(files)) {
        const file = input.files[0];
        if (!file) continue;
        if (file.size > limit) throw new Error(`The ${MODALITY[kind]} has ${number(file.size / (1 << 20), 1)} MiB: too large for a message.`);
        media.push({ kind, data: await base64(file), preview: URL.createObjectURL(file) });
      }
      const text = { title: title.value.trim(), description: description.value.trim() };
      const hasText = Boolean(text.title || text.description);
      if (!hasText && !media.length) throw new Error('Give it a text, a picture, a sound or a film.');
      submit.disabled = true;
      told.textContent = 'Publishing …';
      const id = `upload-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 5)}`;
      const parts = [...(hasText ? ['text'] : []), ...media.map((one) => one.kind)];
      const wanted = [{ id, withheld: null, parts }];
      if (variants.checked && parts.length > 1) for (const part of parts) wanted.push({ id: `${id}-without-${part}`, withheld: part, parts: parts.filter((one) => one !== part) });
      empty.remove();
      for (const one of wanted) {
        begin(one, text, media);
        await post('/api/items', { item_id: one.id, ...(one.withheld === 'text' ? {} : text), category: category.value.trim(), media: media.filter((m) => m.kind !== one.withheld).map(({ kind, data }) => ({ kind, data })) });
      }
      told.textContent = `Published as ${id}.`;
    } catch (error) { told.textContent = error.message; } finally { submit.disabled = false; }
  });

  function begin(one, text, media) {
    const steps = h('ol', { class: 'steps' });
    const near = h('div', { class: 'near-slot' });
    const item = { item_id: one.id, title: one.withheld === 'text' ? '' : text.title, description: text.description, media: media.filter((m) => m.kind !== one.withheld).map((m) => ({ kind: m.kind, url: m.preview })) };
    const ready = h('p', { class: 'ready num' }, '…');
    const node = h('article', { class: 'card pad journey', 'aria-label': `The way of ${one.id}` }, h('div', { class: 'journey-head' }, tile(item, { small: true }),
      h('div', {}, h('h3', {}, one.withheld ? `Without its ${MODALITY[one.withheld]}` : item.title || one.id), h('p', { class: 'muted small' }, one.parts.map((part) => MODALITY[part]).join(' · '))), ready), steps, near);
    results.prepend(node);
    if (one.withheld) results.insertBefore(node, results.children[[...results.children].findIndex((child) => child.dataset.base === one.id.replace(/-without-.*/, '')) + 1] ?? null);
    else node.dataset.base = one.id;
    journeys.set(one.id, { steps, near, ready, seen: new Set(), parts: one.parts });
  }

  function step(found) {
    const way = journeys.get(found.item_id);
    if (!way) return;
    const about = found.modality ? MODALITY[found.modality] : (found.modalities ?? []).map((one) => MODALITY[one]).join(' + ');
    const key = `${found.step} ${about}`;
    if (way.seen.has(key)) return;
    way.seen.add(key);
    way.steps.append(h('li', { class: `step ${found.step}` }, h('span', { class: 'num step-ms' }, ms(found.ms)), h('span', {}, found.step === 'encoded' || found.step === 'failed' ? `${about} ${STEPS[found.step]}` : STEPS[found.step] ?? found.step, found.step === 'fused' && about ? ` from ${about}` : '')));
    if (found.step === 'recommendable') {
      way.ready.textContent = ms(found.ms);
      announce(`Recommendable after ${ms(found.ms)}`);
    }
    if (found.step === 'not_recommendable') way.ready.textContent = 'not yet';
    if (found.step === 'fused' && (found.modalities ?? []).length === way.parts.length) nearTo(found.item_id, way);
  }

  async function nearTo(id, way) {
    try {
      const found = await get('/api/near', { item: id });
      if (found.near.length) replace(way.near, h('h4', { class: 'label' }, 'Nearest items'), h('ol', { class: 'near-row' }, found.near.slice(0, 5).map((one) => h('li', { title: nameOf(one.item) }, tile(one.item, { small: true, silent: true }), h('span', { class: 'muted num small' }, number(one.likeness, 2)), h('span', { class: 'visually-hidden' }, nameOf(one.item))))));
    } catch { /* the steps say enough */ }
  }
  return { follow: ['items'], on: { step } };
}
