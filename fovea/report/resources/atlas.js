'use strict';
// "#conv1:7" opens that unit; the layer by the name of its files or its own.
function follow() {
  const text = decodeURIComponent(location.hash.slice(1)), cut = text.lastIndexOf(':');
  if (cut < 0) return;
  let layer = text.slice(0, cut);
  if (typeof layers[layer] === 'string') layer = layers[layer];
  const unit = Number(text.slice(cut + 1));
  if (Number.isInteger(unit) && unit >= 0 && unit < layers[layer]) location.replace('units/' + layer + '/' + unit + '.html');
}
addEventListener('hashchange', follow);
follow();
