'use strict';
// The map: drag to move, wheel or pinch to zoom, point at a picture to see it, click a class to show it alone.
const data = JSON.parse(document.getElementById('data').textContent);
const canvas = document.getElementById('map'), ink = canvas.getContext('2d'), atlas = document.getElementById('atlas');
const card = document.getElementById('card'), cardInk = card.querySelector('canvas').getContext('2d');
const count = data.x.length, tile = data.atlas, kSpan = 65536;
const hidden = new Set();
let found = null, view = null, base = 1, hovered = -1, waiting = false, sizeFactor = 1;

// Points of the same small square together: what is on the screen, and what is under the pointer, are found quickly.
const kCells = 64, cellOf = (v) => Math.min(kCells - 1, Math.floor(v / kSpan * kCells));
const cells = Array.from({ length: kCells * kCells }, () => []);
for (let i = 0; i < count; i++) cells[cellOf(data.y[i]) * kCells + cellOf(data.x[i])].push(i);

const colourOf = (i) => data.label[i] >= 0 ? data.classes[data.label[i]].colour : '#8d95a3';
const isShown = (i) => !hidden.has(data.label[i]) && (!found || found.has(i));
const isDim = (i) => data.placed && !data.placed[i];

let maxX = 0, maxY = 0;
for (let i = 0; i < count; i++) { maxX = Math.max(maxX, data.x[i]); maxY = Math.max(maxY, data.y[i]); }

function wholeView() {
  const w = canvas.clientWidth, h = canvas.clientHeight, pad = 46, right = w > 900 ? 250 : pad;
  const fit = (left, top) => {
    const scale = Math.max(1e-4, Math.min((w - left - right) / (maxX || 1), (h - top - pad) / (maxY || 1)));
    return { scale, x: left + (w - left - right - maxX * scale) / 2, y: top + (h - top - pad - maxY * scale) / 2 };
  };
  let whole = fit(pad, h > 600 ? 60 : pad);
  // Where the heading (on a narrow page: or the legend) would cover more than a few pictures, the map stands beside it
  // or below, whichever is larger.
  const box = (name) => document.querySelector(name).getBoundingClientRect(), wide = w > 900, head = box('header');
  const bottom = Math.min(h / 2, wide ? head.bottom : Math.max(head.bottom, box('#side').bottom));
  let under = 0;
  for (let i = 0; i < count; i++)
    if (whole.y + data.y[i] * whole.scale < bottom && (!wide || whole.x + data.x[i] * whole.scale < head.right)) under++;
  if (under * 200 > count) {
    const beside = fit(head.right + 24, pad), below = fit(pad, bottom + 24);
    whole = wide && beside.scale > below.scale ? beside : below;
  }
  base = whole.scale;
  return whole;
}
// A picture's side on the screen: about as many as fit beside each other, growing slower than the map.
function side() {
  const w = canvas.clientWidth, h = canvas.clientHeight;
  const even = Math.sqrt(w * h / Math.max(1, count)) * (count > 400 ? 0.62 : 0.55);
  return Math.max(tile ? 3 : 2.5, Math.min(even, 72) * sizeFactor * Math.pow(view.scale / base, 0.72));
}
function range(pad) {  // squares that may be on the screen
  const w = canvas.clientWidth, h = canvas.clientHeight;
  const at = (v, from) => cellOf(Math.max(0, Math.min(kSpan, (v - from) / view.scale)));
  return { x0: at(-pad, view.x), x1: at(w + pad, view.x), y0: at(-pad, view.y), y1: at(h + pad, view.y) };
}
function drawOne(i, s, strong) {
  const x = view.x + data.x[i] * view.scale, y = view.y + data.y[i] * view.scale;
  const placed = data.placed && data.placed[i];
  if (tile && s >= 6) {
    const edge = Math.max(1, Math.min(3, s / 14)) * (strong || placed ? 2 : 1), half = s / 2;
    if (placed) {  // new pictures stand out: a dark rim around a white one
      for (const [colour, rim] of [['#15181d', edge + 3], ['#ffffff', edge + 2]]) {
        ink.fillStyle = colour;
        ink.fillRect(x - half - rim, y - half - rim, s + 2 * rim, s + 2 * rim);
      }
    }
    ink.fillStyle = colourOf(i);
    ink.fillRect(x - half - edge, y - half - edge, s + 2 * edge, s + 2 * edge);
    ink.drawImage(atlas, i % tile.columns * tile.side, Math.floor(i / tile.columns) * tile.side, tile.side, tile.side, x - half, y - half, s, s);
  } else {
    const r = (tile ? s : Math.min(s, 14)) / 2 * (strong || placed ? 1.6 : 1);
    ink.fillStyle = colourOf(i);
    ink.beginPath();
    ink.arc(x, y, Math.max(1.2, r), 0, 6.3);
    ink.fill();
  }
}
function draw() {
  waiting = false;
  const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) { canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio); }
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, w, h);
  ink.imageSmoothingEnabled = true;
  const s = side(), r = range(s), later = [];
  for (let cy = r.y0; cy <= r.y1; cy++)
    for (let cx = r.x0; cx <= r.x1; cx++)
      for (const i of cells[cy * kCells + cx]) {
        const shown = isShown(i);
        if (data.placed && data.placed[i] && shown) { later.push(i); continue; }
        ink.globalAlpha = !shown ? 0.06 : isDim(i) ? 0.35 : 1;
        drawOne(i, s, false);
      }
  ink.globalAlpha = 1;
  for (const i of later) drawOne(i, Math.max(2 * s, 28), true);
  if (hovered >= 0) drawOne(hovered, s * 1.25, true);
}
function redraw() { if (!waiting) { waiting = true; requestAnimationFrame(draw); } }

function nearest(px, py) {
  const s = side(), reach = Math.max(s * 0.75, 7) / view.scale, x = (px - view.x) / view.scale, y = (py - view.y) / view.scale;
  let best = -1, least = Infinity;
  const lo = (v) => cellOf(Math.max(0, Math.min(kSpan, v - reach))), hi = (v) => cellOf(Math.max(0, Math.min(kSpan, v + reach)));
  for (let cy = lo(y); cy <= hi(y); cy++)
    for (let cx = lo(x); cx <= hi(x); cx++)
      for (const i of cells[cy * kCells + cx]) {
        const d = Math.max(Math.abs(data.x[i] - x), Math.abs(data.y[i] - y));
        if (d <= reach && d < least && isShown(i)) { least = d; best = i; }
      }
  return best;
}
function hover(px, py) {
  const i = px === null ? -1 : nearest(px, py);
  if (i !== hovered) {
    hovered = i;
    card.hidden = i < 0;
    if (i >= 0) {
      const target = cardInk.canvas;
      target.hidden = !tile;
      if (tile) {
        target.width = target.height = tile.side;
        cardInk.drawImage(atlas, i % tile.columns * tile.side, Math.floor(i / tile.columns) * tile.side, tile.side, tile.side, 0, 0, tile.side, tile.side);
      }
      card.querySelector('.class').textContent = (data.label[i] >= 0 ? data.classes[data.label[i]].name : '') + (data.placed && data.placed[i] ? ' (placed)' : '');
      card.querySelector('.name').textContent = data.name[i];
    }
    redraw();
  }
  if (hovered >= 0) {
    const box = card.getBoundingClientRect();
    card.style.left = Math.min(px + 18, window.innerWidth - box.width - 8) + 'px';
    card.style.top = Math.min(py + 18, window.innerHeight - box.height - 8) + 'px';
  }
}
function zoom(factor, px = canvas.clientWidth / 2, py = canvas.clientHeight / 2) {
  const scale = Math.min(base * 400, Math.max(base * 0.4, view.scale * factor)), f = scale / view.scale;
  view = { scale, x: px - (px - view.x) * f, y: py - (py - view.y) * f };
  redraw();
}

canvas.addEventListener('wheel', (e) => { e.preventDefault(); zoom(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0016)), e.clientX, e.clientY); }, { passive: false });
const fingers = new Map();
canvas.addEventListener('pointerdown', (e) => { fingers.set(e.pointerId, [e.clientX, e.clientY]); canvas.setPointerCapture(e.pointerId); canvas.classList.add('moving'); });
canvas.addEventListener('pointermove', (e) => {
  const from = fingers.get(e.pointerId);
  if (!from) { hover(e.clientX, e.clientY); return; }
  if (fingers.size === 1) { view.x += e.clientX - from[0]; view.y += e.clientY - from[1]; redraw(); }
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== e.pointerId)[1];
    const gap = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    zoom(gap([e.clientX, e.clientY]) / gap(from), (e.clientX + other[0]) / 2, (e.clientY + other[1]) / 2);
  }
  fingers.set(e.pointerId, [e.clientX, e.clientY]);
});
for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, (e) => { fingers.delete(e.pointerId); if (!fingers.size) canvas.classList.remove('moving'); });
canvas.addEventListener('pointerleave', () => hover(null, null));
canvas.addEventListener('dblclick', () => { view = wholeView(); redraw(); });
canvas.addEventListener('keydown', (e) => {
  const step = 60, moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  if (moves[e.key]) { view.x += moves[e.key][0]; view.y += moves[e.key][1]; redraw(); }
  if (e.key === '+' || e.key === '=') zoom(1.4);
  if (e.key === '-') zoom(1 / 1.4);
  if (e.key === '0') { view = wholeView(); redraw(); }
});
const acts = { in: () => zoom(1.6), out: () => zoom(1 / 1.6), all: () => { view = wholeView(); redraw(); } };
for (const button of document.querySelectorAll('#tools button')) button.addEventListener('click', acts[button.dataset.act]);
document.getElementById('size').addEventListener('input', (e) => { sizeFactor = Math.pow(1.05, Number(e.target.value)); redraw(); });
document.getElementById('find').addEventListener('input', (e) => {
  const text = e.target.value.trim().toLowerCase();
  found = text ? new Set(data.name.flatMap((name, i) => name.toLowerCase().includes(text) || (data.label[i] >= 0 && data.classes[data.label[i]].name.toLowerCase().includes(text)) ? [i] : [])) : null;
  redraw();
});

// The legend: a click shows one class alone, a second one all again; with Ctrl or Shift, classes come and go.
const legend = document.getElementById('legend'), numbers = data.classes.map(() => 0);
for (const label of data.label) if (label >= 0) numbers[label]++;
const present = numbers.map((n, label) => label).filter((label) => numbers[label] > 0);
for (const label of present) {
  const button = legend.appendChild(document.createElement('button'));
  button.appendChild(document.createElement('i')).style.background = data.classes[label].colour;
  button.appendChild(document.createElement('span')).textContent = data.classes[label].name;
  button.appendChild(document.createElement('small')).textContent = numbers[label].toLocaleString('en');
  button.dataset.label = label;
  button.addEventListener('click', (e) => {
    if (e.ctrlKey || e.metaKey || e.shiftKey) { if (!hidden.delete(label)) hidden.add(label); }
    else if (!hidden.has(label) && hidden.size === present.length - 1) hidden.clear();
    else { hidden.clear(); for (const other of present) if (other !== label) hidden.add(other); }
    for (const each of legend.children) each.classList.toggle('off', hidden.has(Number(each.dataset.label)));
    redraw();
  });
}

window.addEventListener('resize', () => { const whole = view && view.scale === base; if (whole) view = wholeView(); else wholeView(); redraw(); });
view = wholeView();
atlas.addEventListener('load', redraw);
redraw();
