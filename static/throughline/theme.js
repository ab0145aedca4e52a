// Light or dark before anything is painted: the person's choice, else the system's.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const chosen = localStorage.getItem("theme");
    document.documentElement.dataset.bsTheme = chosen || (dark.matches ? "dark" : "light");
  };
  show();
  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-theme-switch]")) button.hidden = false;
  });
  dark.addEventListener("change", show);
  window.addEventListener("beforeprint", () => (document.documentElement.dataset.bsTheme = "light"));
  window.addEventListener("afterprint", show);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const now = document.documentElement.dataset.bsTheme;
    localStorage.setItem("theme", now === "dark" ? "light" : "dark");
    show();
  });
})();
