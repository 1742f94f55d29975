// Keys of every page: ? lists the keys, / goes to the search, Escape closes a window, arrows move within an open menu. A page
// that is a window begins in its first field. Without this script, all of it is links and buttons.
const TYPED_INTO = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), select, textarea";
const help = document.getElementById("keys");
const page = document.querySelector(".window");
let touched = false;

page?.addEventListener("input", () => (touched = true));
if (page && !document.querySelector("[data-errors]")) {
  [...page.querySelectorAll(TYPED_INTO)].find((field) => field.type !== "hidden" && field.offsetParent)?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape") return leave(event);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") return move(event);
  if (event.target.matches(TYPED_INTO)) return;
  if (event.key === "?") help?.showModal();
  else if (event.key === "/") search()?.focus();
  else return;
  event.preventDefault();
});

// Back to where the window was opened from, unless something was typed that would be lost.
function leave(event) {
  if (document.querySelector("dialog[open], details[data-menu][open]")) return;
  const close = page?.querySelector("a.close");
  if (!close || (touched && !confirm("Close without saving what you typed?"))) return;
  event.preventDefault();
  location.assign(close.href);
}

// The page's own search, or the advanced search.
function search() {
  const own = document.querySelector("main input[type=search]");
  const panel = document.querySelector("details.advanced");
  if (!own && panel) panel.open = true;
  return own ?? panel?.querySelector("[data-first]");
}

function move(event) {
  const menu = event.target.closest("details[data-menu][open]");
  const entries = [...(menu?.querySelectorAll(".panel li > a, .panel li > button") ?? [])];
  const at = entries.indexOf(document.activeElement);
  if (!entries.length || event.target.matches(TYPED_INTO)) return;
  event.preventDefault();
  entries[(at + (event.key === "ArrowDown" ? 1 : -1) + entries.length) % entries.length].focus();
}
