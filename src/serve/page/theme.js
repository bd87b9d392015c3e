// Before anything is drawn: light or dark as chosen, so that nothing flashes. The choice of "auto" is the system's.
(() => {
  let theme = 'auto';
  try { theme = localStorage.getItem('minke.theme') || 'auto'; } catch { /* storage is forbidden: the system's choice */ }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
