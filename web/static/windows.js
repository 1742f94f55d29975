// Opens windows over the page. A window is a page of its own, and a link to one has data-window: this shows its parts in a
// dialog, and sends the forms in it without leaving the page. Whatever is no window, such as the sign-in page, is gone to
// as ever. Without this script, links and forms lead from page to page.
import { begin, leave } from "./keys.js";
import { release } from "./once.js";

const dialog = document.getElementById("over");
const notice = dialog.querySelector("[role=alert]");
const place = dialog.querySelector("[data-place]");
const REFERENCES = ["for", "form", "list", "aria-labelledby", "aria-describedby"];
const FAILED = "Something went wrong. What you typed is still here: try again in a moment.";
let address; // of the window that is shown
let request;

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (dialog.contains(link) && link.href === dialog.querySelector("a.close")?.href) {
    if (dialog.querySelector("form[data-sent]")) return; // gone to, to see what became of the form
    dialog.close();
  } else if (link.matches("[data-window]") && !link.closest("main .window")) open(link);
  else return;
  event.preventDefault();
});

// once.js has seen to it that a form is sent once.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || !dialog.contains(event.target)) return;
  event.preventDefault();
  const form = event.target;
  const data = new FormData(form, event.submitter);
  if (form.method === "post") return send(form, data);
  const url = new URL(form.action);
  url.search = new URLSearchParams(data);
  go(url.href);
});

dialog.addEventListener("cancel", leave); // Back on a phone; Escape is a key of every page

// Focus comes back to the link when the dialog is closed, or to its menu.
function open(link) {
  const menu = link.closest("details[data-menu]");
  if (menu) menu.open = false;
  (menu?.querySelector("summary") ?? link).focus();
  go(link.href);
}

async function go(url) {
  request?.abort();
  request = new AbortController();
  try {
    const answer = await ask(url, { signal: request.signal });
    if (!show(await page(answer), url)) location.assign(url);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(url);
  }
}

async function send(form, body) {
  notice.hidden = true;
  try {
    // Sent from the window's address, so that the way through a sign-in leads back to it.
    const answer = await ask(form.action, { method: "POST", body, referrer: address });
    const to = answer.headers.get("location");
    if (to) return leadTo(new URL(to, location.href));
    const found = await page(answer);
    if (!show(found, form.action)) tell(form, found.querySelector("main h1 + p")?.textContent ?? FAILED);
  } catch {
    tell(form, FAILED);
  }
}

// To another place on the page below, which has changed, a browser would only scroll.
function leadTo(url) {
  const isBelow = url.pathname === location.pathname && url.search === location.search;
  location.assign(url);
  if (isBelow && url.hash) location.reload();
}

function ask(url, options) {
  return fetch(url, { headers: { Accept: "text/html", "X-Window": "yes" }, ...options });
}

async function page(answer) {
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Shows the window of a page, and what belongs to it below; false if the page has none.
function show(page, from) {
  const main = page.querySelector("main");
  const shown = main?.querySelector(".window");
  if (!shown) return false;
  rename(main);
  place.replaceChildren(...main.querySelectorAll(".window, .window ~ *"));
  notice.hidden = true;
  address = from;
  dialog.setAttribute("aria-labelledby", shown.getAttribute("aria-labelledby"));
  if (!dialog.open) dialog.showModal();
  dialog.focus();
  begin(shown);
  return true;
}

// The page below has ids of its own.
function rename(part) {
  for (const each of part.querySelectorAll("[id]")) each.id = `over-${each.id}`;
  for (const name of REFERENCES) {
    for (const each of part.querySelectorAll(`[${name}]`)) {
      each.setAttribute(name, each.getAttribute(name).replace(/\S+/g, "over-$&"));
    }
  }
  for (const link of part.querySelectorAll("a[href^='#']")) link.setAttribute("href", `#over-${link.hash.slice(1)}`);
}

// The form stays as it was filled in, and may be sent again.
function tell(form, words) {
  notice.querySelector("p").textContent = words;
  notice.hidden = false;
  notice.scrollIntoView({ block: "nearest" });
  release(form);
}
