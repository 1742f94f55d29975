// Keys of every page: ? lists the keys, / goes to the search, Escape closes a window, arrows move within an open menu. A
// window begins in its first field. Without this script, all of it is links and buttons.
export const TYPED_INTO = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), select, textarea";
const help = document.getElementById("keys");
const page = document.querySelector(".window");

if (page) begin(page);

// A window begins in the list of what is wrong with it, or else in its first field.
export function begin(shown) {
  const fields = [...shown.querySelectorAll(TYPED_INTO)].filter((field) => field.type !== "hidden" && field.offsetParent);
  (shown.querySelector("[data-errors]") ?? fields[0])?.focus();
}

document.addEventListener("input", (event) => event.target.closest(".window")?.setAttribute("data-touched", ""));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape") return leave(event);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") return move(event);
  if (event.target.matches(TYPED_INTO)) return;
  if (event.key === "?") help?.showModal();
  else if (event.key === "/" && !over()) search()?.focus();
  else return;
  event.preventDefault();
});

// Back to where the window was opened from, unless something was typed that would be lost.
export function leave(event) {
  const shown = over() ?? page;
  if (!shown || help?.open) return;
  event.preventDefault();
  const close = shown.querySelector("a.close");
  if (!close || (shown.matches("[data-touched], :has([data-errors])") && !confirm("Close without saving what you typed?"))) return;
  close.click();
}

// The window over the page (windows.js).
function over() {
  return document.querySelector("dialog[open] .window");
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
