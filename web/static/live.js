// Follows work in progress: fetches its part of the page again at each event, and reloads the page once it is closed. When
// the server cannot be reached, it says so, tries again, and goes on by itself. Without this script, the page reloads every
// few seconds.
const part = document.querySelector("[data-follow]");
const KEPT = "a, button, input, summary";
const LOST_AFTER = 5000;
const AGAIN_AFTER = 2000;
const SOON = 100;
// A link that was followed has so long until the page counts as here to stay, as after a download.
const LEAVING_FOR = 10000;

if (part) follow();

function follow() {
  const notice = document.getElementById("connection-lost");
  let events, lost, leaving = 0, isPressed = false;

  addEventListener("beforeunload", () => (leaving = performance.now() + LEAVING_FOR));
  addEventListener("pointerdown", () => (isPressed = true));
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => (isPressed = false)));
  connect();

  // While a link is pressed or followed: if the page changed now, it would lead nowhere.
  function isInUse() {
    return isPressed || performance.now() < leaving;
  }

  function connect() {
    events = new EventSource(part.dataset.follow);
    events.addEventListener("open", back);
    events.addEventListener("progress", refresh);
    events.addEventListener("closed", () => {
      events.close();
      again();
    });
    events.addEventListener("error", () => {
      lost ??= setTimeout(() => (notice.hidden = false), LOST_AFTER);
      // The browser tries again itself, unless it got an answer that is no stream: perhaps the session has ended.
      if (events.readyState !== EventSource.CLOSED) return;
      refresh();
      setTimeout(connect, AGAIN_AFTER);
    });
  }

  function back() {
    clearTimeout(lost);
    lost = undefined;
    notice.hidden = true;
  }

  // Not while a window is over the page: what is typed there would be lost.
  function again() {
    if (isInUse()) return setTimeout(again, SOON);
    const over = document.querySelector("dialog[open]");
    if (over) over.addEventListener("close", () => location.reload(), { once: true });
    else location.reload();
  }

  async function refresh() {
    if (isTypedInto()) return;
    if (isInUse()) return setTimeout(refresh, SOON);
    const answer = await fetch(part.dataset.part).catch(() => null);
    if (answer?.status === 401) again();
    if (!answer?.ok) return;
    const html = await answer.text(); // our own page, in which every value is escaped
    if (isInUse()) setTimeout(refresh, SOON);
    else if (!isTypedInto()) replace(html);
  }
}

function isTypedInto() {
  return [...part.querySelectorAll("input")].some((field) => field.value !== field.defaultValue);
}

// The focus, and what is unfolded, stay where they are. Only the status line is read out, when it says something else.
function replace(html) {
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  const [name, place] = active ? [nameOf(active), named(nameOf(active)).indexOf(active)] : [];
  const before = said();
  const unfolded = [...part.querySelectorAll("details[open] > summary")].map(nameOf);
  part.innerHTML = html;
  for (const each of unfolded.flatMap(named)) each.parentElement.open = true;
  if (active) (named(name)[place] ?? named(name)[0])?.focus({ preventScroll: true });
  if (said() !== before) document.getElementById("status").textContent = said();
}

function said() {
  return part.querySelector("[data-said]")?.dataset.said ?? "";
}

function named(name) {
  return [...part.querySelectorAll(KEPT)].filter((each) => nameOf(each) === name);
}

// What an element is known by in the part as it comes next.
function nameOf(element) {
  return `${element.tagName} ${element.id || element.getAttribute("href") || element.textContent}`;
}
