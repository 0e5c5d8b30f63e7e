'use strict';
// The arrow keys go to the units beside this one.
addEventListener('keydown', (e) => {
  const link = !e.altKey && !e.ctrlKey && !e.metaKey && document.querySelector('[data-key="' + e.key + '"]');
  if (link) location.assign(link.href);
});
