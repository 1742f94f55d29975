// Search as you type: fetches the results below a form shortly after the last key. Without this script, the form is sent.
const PAUSE = 250;

for (const form of document.querySelectorAll("form[data-results-from]")) follow(form);

function follow(form) {
  const field = form.querySelector("input[type=search]");
  const results = document.getElementById(form.dataset.resultsIn);
  const status = document.getElementById(form.dataset.statusIn);
  const elsewhere = form.querySelector("input[name=integration]"); // ticked, it lists before anything is typed
  let timer, request;

  form.addEventListener("input", () => {
    clearTimeout(timer);
    request?.abort();
    timer = setTimeout(look, PAUSE);
  });

  async function look() {
    if (field.value.trim().length < 2 && !elsewhere?.checked) {
      results.replaceChildren();
      status.textContent = "";
      return;
    }
    request = new AbortController();
    results.setAttribute("aria-busy", "true");
    results.classList.add("is-loading");
    status.textContent = "Searching…";
    try {
      const query = new URLSearchParams(new FormData(form));
      const answer = await fetch(`${form.dataset.resultsFrom}?${query}`, { signal: request.signal });
      if (answer.status === 401) location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      results.innerHTML = await answer.text(); // our own page, in which every value is escaped
      status.textContent = results.firstElementChild?.dataset.status ?? "";
    } catch (error) {
      if (error.name === "AbortError") return;
      results.replaceChildren();
      status.textContent = "The search didn't work. Try again in a moment.";
    }
    results.removeAttribute("aria-busy");
    results.classList.remove("is-loading");
  }

  form.closest("details")?.addEventListener("toggle", (event) => {
    if (event.target.open && elsewhere?.checked && !results.firstElementChild) look();
  });

  // Arrow keys move from the field into the results and back.
  const move = (event) => {
    const links = [...results.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (to === undefined || !links.length || (at === -1 && event.key === "ArrowUp")) return;
    event.preventDefault();
    (links[to] ?? (to < 0 ? field : links[at])).focus();
  };
  field.addEventListener("keydown", move);
  results.addEventListener("keydown", move);
}
