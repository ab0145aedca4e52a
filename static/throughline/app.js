// Comfort only: every page works without this file.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const search = document.querySelector("[data-search]");
  if (search) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.removeAttribute("open");
  }
});
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.target.method === "post" && button) {
    setTimeout(() => button.setAttribute("disabled", ""), 0);
    setTimeout(() => button.removeAttribute("disabled"), 8000);
  }
});
const wrong = document.querySelector(".field-error");
if (wrong) {
  const field = wrong.closest(".field")?.querySelector("input, select, textarea");
  if (field) field.focus();
}
for (const box of document.querySelectorAll("[data-check-all]")) {
  box.addEventListener("change", () => {
    for (const one of box.closest("form").querySelectorAll("[data-check-one]")) {
      one.checked = box.checked;
    }
  });
}
// What scrolls sideways on a narrow screen can be reached and scrolled by keyboard.
const reachable = () => {
  for (const box of document.querySelectorAll(".table-responsive, .line")) {
    if (box.scrollWidth > box.clientWidth && !box.hasAttribute("tabindex")) box.tabIndex = 0;
  }
};
reachable();
window.addEventListener("resize", reachable);
document.addEventListener("toggle", reachable, true);
// What was typed and not sent is still there after leaving the page; gone when sent or signed out.
const draftKey = (field) => `draft ${location.pathname} ${field.id}`;
const keepDrafts = (root) => {
  for (const field of root.querySelectorAll('form[method="post"] textarea[id]')) {
    if (field.dataset.kept) continue;
    field.dataset.kept = "yes";
    if (!field.value) field.value = sessionStorage.getItem(draftKey(field)) || "";
    field.addEventListener("input", () => sessionStorage.setItem(draftKey(field), field.value));
  }
};
keepDrafts(document);
document.addEventListener("htmx:afterSettle", () => keepDrafts(document)); // forms fetched later
document.addEventListener("submit", (event) => {
  if (event.target.matches('[action="/logout/"]')) sessionStorage.clear();
  for (const field of event.target.querySelectorAll("textarea[id]")) {
    sessionStorage.removeItem(draftKey(field));
  }
});
