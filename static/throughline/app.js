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
