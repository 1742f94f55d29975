// Loads the page again while what it shows is under way, unless somebody is typing. Without this script there is a link.
setInterval(() => {
  if (!document.hidden && document.activeElement?.tagName !== "INPUT") location.reload();
}, 3000);
