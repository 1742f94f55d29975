// Follows work in progress: fetches its part of the page again at each event, and reloads the page once it is closed. When
// the server cannot be reached, it says so, tries again, and goes on by itself. Without this script, the page reloads every
// few seconds.
const part = document.querySelector("[data-follow]");
const LOST_AFTER = 5000;
const AGAIN_AFTER = 2000;

if (part) follow();

function follow() {
  const notice = document.getElementById("connection-lost");
  let events, lost;

  connect();

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
      // The browser tries again itself, unless it got an answer that is no stream.
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_AFTER);
    });
  }

  function back() {
    clearTimeout(lost);
    lost = undefined;
    notice.hidden = true;
  }

  // Not while a window is over the page: what is typed there would be lost.
  function again() {
    const over = document.querySelector("dialog[open]");
    if (over) over.addEventListener("close", () => location.reload(), { once: true });
    else location.reload();
  }

  async function refresh() {
    if ([...part.querySelectorAll("input")].some((field) => field.value !== field.defaultValue)) return; // being typed
    const answer = await fetch(part.dataset.part).catch(() => null);
    if (answer?.status === 401) again();
    if (answer?.ok) part.innerHTML = await answer.text(); // our own page, in which every value is escaped
  }
}
