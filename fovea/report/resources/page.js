'use strict';
// Pointing at a feature map shows what its unit sees on the picture.
for (const stage of document.querySelectorAll('.stage')) {
  const looks = stage.querySelector('.looks');
  for (const map of stage.querySelectorAll('.map')) {
    const box = looks && looks.querySelector('[data-unit="' + map.dataset.unit + '"]');
    if (!box) continue;
    const on = () => { looks.classList.add('focus'); box.classList.add('on'); };
    const off = () => { looks.classList.remove('focus'); box.classList.remove('on'); };
    map.addEventListener('pointerenter', on);
    map.addEventListener('pointerleave', off);
    map.addEventListener('focus', on);
    map.addEventListener('blur', off);
  }
}
// The network's drawing: drag to move, buttons or Ctrl and the wheel to zoom, double click to see all of it again.
for (const viewer of document.querySelectorAll('.viewer')) {
  const svg = viewer.querySelector('svg');
  const all = svg.viewBox.baseVal;
  const whole = { x: all.x, y: all.y, width: all.width, height: all.height };
  let view = { ...whole };
  const show = () => svg.setAttribute('viewBox', [view.x, view.y, view.width, view.height].join(' '));
  const zoom = (factor, cx = 0.5, cy = 0.5) => {
    const width = Math.min(whole.width * 1.5, Math.max(120, view.width * factor));
    const height = width * view.height / view.width;
    view = { x: view.x + (view.width - width) * cx, y: view.y + (view.height - height) * cy, width, height };
    show();
  };
  const buttons = { '+': () => zoom(0.7), '−': () => zoom(1 / 0.7), '⤢': () => { view = { ...whole }; show(); } };
  const tools = viewer.appendChild(document.createElement('div'));
  tools.className = 'tools';
  for (const [text, act] of Object.entries(buttons)) {
    const button = tools.appendChild(document.createElement('button'));
    button.textContent = text;
    button.title = { '+': 'closer', '−': 'farther', '⤢': 'all of it' }[text];
    button.addEventListener('click', act);
  }
  svg.addEventListener('wheel', (e) => {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    const r = svg.getBoundingClientRect();
    zoom(Math.exp(e.deltaY * 0.003), (e.clientX - r.left) / r.width, (e.clientY - r.top) / r.height);
  }, { passive: false });
  svg.addEventListener('dblclick', buttons['⤢']);
  let from = null;
  svg.addEventListener('pointerdown', (e) => { from = { x: e.clientX, y: e.clientY }; svg.setPointerCapture(e.pointerId); });
  svg.addEventListener('pointermove', (e) => {
    if (!from) return;
    const scale = view.width / svg.getBoundingClientRect().width;
    view.x -= (e.clientX - from.x) * scale;
    view.y -= (e.clientY - from.y) * scale;
    from = { x: e.clientX, y: e.clientY };
    show();
  });
  for (const end of ['pointerup', 'pointercancel']) svg.addEventListener(end, () => { from = null; });
}
// Pictures of several moments: the slider says which is seen.
for (const series of document.querySelectorAll('.series')) {
  const slider = series.querySelector('input'), label = series.querySelector('output'), pictures = series.querySelectorAll('img');
  const show = () => pictures.forEach((picture, i) => {
    picture.hidden = i !== Number(slider.value);
    if (!picture.hidden) label.textContent = picture.alt;
  });
  slider.addEventListener('input', show);
  show();
}
// Lines to be typed can be copied; pages from a disk may not use the clipboard, so the text is selected and copied as of old.
for (const command of document.querySelectorAll('.command')) {
  const line = command.querySelector('pre'), button = command.appendChild(document.createElement('button'));
  button.type = 'button';
  button.textContent = 'copy';
  const say = (text) => { button.textContent = text; setTimeout(() => { button.textContent = 'copy'; }, 1600); };
  const of_old = () => {
    getSelection().selectAllChildren(line);
    say(document.execCommand('copy') ? 'copied' : 'selected');
  };
  button.addEventListener('click', () => {
    if (navigator.clipboard) navigator.clipboard.writeText(line.textContent).then(() => say('copied'), of_old);
    else of_old();
  });
}
