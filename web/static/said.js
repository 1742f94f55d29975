// A message is said once: loading the page again must not say it again.
const address = new URL(location.href);
if (address.searchParams.has("said")) {
  address.searchParams.delete("said");
  history.replaceState(history.state, "", address);
}

// After a form that was not taken, the reader begins at the list of what is wrong.
document.querySelector("[data-faults]")?.focus();
