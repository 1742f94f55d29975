// Follows work in progress: fetches its part of the page again at each event, and reloads the page once it is closed.
// Without this script, the page reloads every few seconds.
const part = document.querySelector("[data-follow]");

if (part) {
  const events = new EventSource(part.dataset.follow);
  events.addEventListener("progress", async () => {
    const answer = await fetch(part.dataset.part);
    if (answer.ok) part.innerHTML = await answer.text(); // our own page, in which every value is escaped
  });
  events.addEventListener("closed", () => {
    events.close();
    location.reload();
  });
}
