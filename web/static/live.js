// Follows something that is under way: at each event its part of the page is fetched anew; once it is closed, the page is.
// Without this the page loads itself again every few seconds.
const part = document.querySelector("[data-follow]");

if (part) {
  const events = new EventSource(part.dataset.follow);
  events.addEventListener("progress", async () => {
    const answer = await fetch(part.dataset.part);
    if (answer.ok) part.innerHTML = await answer.text(); // a page of ours, in which every value is escaped
  });
  events.addEventListener("closed", () => {
    events.close();
    location.reload();
  });
}
