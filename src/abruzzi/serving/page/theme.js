// Sets the theme before anything is drawn, so that a dark page never flashes white. The rest is in app.js.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("abruzzi-theme");
  } catch {
    // Storage may be switched off; the system's theme it is.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
