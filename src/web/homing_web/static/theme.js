// Runs before the first paint, hence no module: the remembered theme, so that nothing flashes.
try {
  document.documentElement.dataset.theme = localStorage.getItem("homing.theme") || "system";
} catch {
  document.documentElement.dataset.theme = "system";
}
