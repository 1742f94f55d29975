// j and k go to the next and the previous row of a page: to its first link. Without this script, Tab goes to every link.
import { TYPED_INTO } from "./keys.js";

document.addEventListener("keydown", (event) => {
  const step = { j: 1, k: -1 }[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey || event.target.matches(TYPED_INTO)) return;
  const rows = [...document.querySelectorAll("main tbody tr, main .rows > li")].filter((row) => row.querySelector("a"));
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 && step < 0 ? rows.length - 1 : at + step];
  next?.querySelector("a").focus();
  event.preventDefault();
});
