// Keys of the review queue: j and k go to the next and the previous item, i imports, x ignores, u undoes the last decision.
// Without this script, all of it is links and buttons.
const items = () => [...document.querySelectorAll("[data-item]")];

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  if (document.querySelector("dialog[open]")) return;
  const all = items();
  const at = all.indexOf(document.activeElement?.closest("[data-item]"));
  if (event.key === "j") go(all[at + 1] ?? all[at]);
  else if (event.key === "k") go(all[Math.max(at - 1, 0)]);
  else if (event.key === "u") press(document);
  else if ((event.key === "i" || event.key === "x") && at >= 0) press(all[at]);
  else return;
  event.preventDefault();

  function press(within) {
    within.querySelector(`[data-key=${event.key}]`)?.click();
  }
});

function go(item) {
  item?.focus();
  item?.scrollIntoView({ block: "nearest" });
}

// After a decision the address names an item of the next entry. The browser focuses an entry that the address names itself.
const named = document.getElementById(location.hash.slice(1))?.closest("[data-item]");
if (named && location.hash !== `#${named.id}`) location.replace(`#${named.id}`);
