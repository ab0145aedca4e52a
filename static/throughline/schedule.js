// Comfort for the schedule: drag a card, or choose a day with the arrow keys. Both lead to the
// same preview that the Move link opens without this file; nothing is moved before it is shown.
const dialog = document.querySelector("[data-move-dialog]");
const live = document.querySelector("[data-move-live]");
const days = [...document.querySelectorAll("[data-day]")];
let dragged = null;

const say = (text) => {
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = text));
};
const clear = (name) => {
  for (const one of document.querySelectorAll(`.${name}`)) one.classList.remove(name);
};

// the preview, in a dialog over the schedule
const preview = async (link, day) => {
  const address = new URL(link.href);
  if (day) address.searchParams.set("day", day);
  await htmx.ajax("GET", address.pathname + address.search, { target: "[data-move-body]" });
  dialog.opener = link;
  if (!dialog.open) dialog.showModal();
  focusFirst();
};
const focusFirst = () => {
  const first = ["[data-move-apply]", ".is-invalid", "input:not([type=hidden])", "button"];
  first.map((one) => dialog.querySelector(one)).find(Boolean)?.focus();
};
dialog.addEventListener("close", () => {
  clear("is-target");
  dialog.querySelector("[data-move-body]").replaceChildren();
  dialog.opener?.focus();
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.matches("[data-move-body]") && dialog.open) {
    focusFirst();
  }
});

// the keyboard: arrows on a Move link choose the day, Enter shows what would happen
const chosen = () => days.find((day) => day.classList.contains("is-target"))?.dataset.day;
const choose = (link, step) => {
  const from = chosen() || link.closest("[data-from]").dataset.from;
  const here = days.findIndex((day) => day.dataset.day >= from);
  let next = days[Math.min(days.length - 1, Math.max(0, here + step))];
  if (Math.abs(step) > 1) {
    const wanted = new Date(`${from}T12:00Z`);
    wanted.setUTCDate(wanted.getUTCDate() + 7 * Math.sign(step));
    const text = wanted.toISOString().slice(0, 10);
    next = step > 0 ? days.find((day) => day.dataset.day >= text) || days.at(-1)
      : days.findLast((day) => day.dataset.day <= text) || days[0];
  }
  clear("is-target");
  next.closest("details").open = true;
  next.classList.add("is-target");
  next.scrollIntoView({ block: "nearest" });
  say(`${link.dataset.move} to ${next.dataset.name}, ${next.dataset.free} free. Enter shows what would happen, Escape leaves it.`);
};
const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 2, ArrowUp: -2 };
document.addEventListener("keydown", (event) => {
  const link = event.target.closest?.("[data-move]");
  if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
  if (STEPS[event.key]) {
    event.preventDefault();
    choose(link, STEPS[event.key]);
  } else if (event.key === "Escape" && chosen()) {
    clear("is-target");
    say(`${link.dataset.move} stays where it is.`);
  }
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-move]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  preview(link, chosen());
});
document.addEventListener("focusout", (event) => {
  if (event.target.matches("[data-move]") && !dialog.open) clear("is-target");
});

// dragging
document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.("[data-slot], [data-waiting]");
  if (!dragged) return;
  dragged.classList.add("is-dragged");
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", dragged.dataset.slot || dragged.dataset.waiting);
});
document.addEventListener("dragover", (event) => {
  if (!dragged) return;
  const week = event.target.closest(".week-head");
  if (week) week.parentElement.open = true;
  const day = event.target.closest("[data-day]");
  if (!day?.classList.contains("is-over")) clear("is-over");
  if (!day) return;
  event.preventDefault();
  day.classList.add("is-over");
});
document.addEventListener("drop", (event) => {
  const day = event.target.closest("[data-day]");
  if (!dragged || !day) return;
  event.preventDefault();
  if (dragged.dataset.slot) preview(dragged.querySelector("[data-move]"), day.dataset.day);
  else place(dragged, day);
});
document.addEventListener("dragend", () => {
  clear("is-over");
  clear("is-dragged");
  dragged = null;
});

// what waits for a slot: its form opens with the day on which it was dropped
const place = (row, day) => {
  const fold = row.querySelector(".waiting-form");
  fold.open = true;
  fold.querySelector("[name=day]").value = day.dataset.day;
  const empty = [...fold.querySelectorAll("input:not([type=hidden]), select")].find((one) => !one.value);
  (empty || fold.querySelector("button")).focus();
  say(`${row.dataset.waiting} on ${day.dataset.name}, ${day.dataset.free} free: complete the form and press Schedule.`);
};
