// A link's secret follows its #, which browsers do not send to servers. Moves it into the form and out of the address;
// a form that has nothing else to fill in is sent at once.
const field = document.querySelector("[data-link-token]");
const token = location.hash.slice(1);
if (field && token) {
  field.value = token;
  field.closest(".field").hidden = true;
  history.replaceState(history.state, "", location.pathname + location.search);
  if (field.form.hasAttribute("data-send")) field.form.requestSubmit();
}

// A link that is opened in the same tab again changes only what follows the #, which loads nothing by itself.
addEventListener("hashchange", () => location.replace(`${location.pathname}?${location.hash}`));
