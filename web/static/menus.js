// Menus and panels are <details>, which open without a script. This one closes them: on Escape, on a click elsewhere, and
// when another one opens.
const MENUS = "details[data-menu]";

function closeOthers(keep) {
  for (const menu of document.querySelectorAll(`${MENUS}[open]`)) {
    if (menu !== keep && !menu.contains(keep)) menu.open = false;
  }
}

document.addEventListener("click", (event) => closeOthers(event.target.closest(MENUS)));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = event.target.closest(`${MENUS}[open]`) ?? document.querySelector(`${MENUS}[open]`);
  if (!open) return;
  event.preventDefault(); // the window that the menu is in stays
  open.open = false;
  open.querySelector("summary").focus();
});

// A panel with a search field focuses it.
document.addEventListener("toggle", (event) => {
  if (event.target.matches(`${MENUS}[open]`)) event.target.querySelector("[data-first]")?.focus();
}, true);
