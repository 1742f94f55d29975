// Shows a message once: reloading the page must not show it again.
const address = new URL(location.href);
if (address.searchParams.has("said")) {
  address.searchParams.delete("said");
  history.replaceState(history.state, "", address);
}

// After a refused form, focus starts at the list of errors.
document.querySelector("[data-errors]")?.focus();
