// A link's secret follows its #, which browsers do not send to servers. Moves it into the form and out of the address.
const field = document.querySelector("[data-link-token]");
const token = location.hash.slice(1);
if (field && token) {
  field.value = token;
  field.closest(".field").hidden = true;
  history.replaceState(history.state, "", location.pathname + location.search);
}
