// Sends a form once and disables its buttons. The server treats a second copy as the first (Idempotency-Key).
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (event.submitter?.hasAttribute("data-download")) return; // the answer is a file, and this page stays
  form.dataset.sent = "yes";
  for (const button of buttons(form)) button.setAttribute("aria-disabled", "true");
});

// After going back from the next page, the form may be sent again.
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(release));

export function release(form) {
  delete form.dataset.sent;
  for (const button of buttons(form)) button.removeAttribute("aria-disabled");
}

// A form's buttons, including those outside it.
function buttons(form) {
  return [...form.elements].filter((element) => element.type === "submit");
}
