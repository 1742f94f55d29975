// The secret of a link stands after its #, where no server sees it. It goes into the form, and out of the address.
const field = document.querySelector("[data-link-token]");
const token = location.hash.slice(1);
if (field && token) {
  field.value = token;
  field.closest(".field").hidden = true;
  history.replaceState(history.state, "", location.pathname + location.search);
}
