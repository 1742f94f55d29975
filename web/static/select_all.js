// Ticks or unticks every box of a list. Without this script, each box is ticked on its own.
for (const button of document.querySelectorAll("[data-select-all]")) {
  const boxes = () => [...document.getElementById(button.dataset.selectAll).querySelectorAll("input[type=checkbox]:not(:disabled)")];
  button.hidden = false;
  button.addEventListener("click", () => {
    const ticked = !boxes().every((box) => box.checked);
    for (const box of boxes()) box.checked = ticked;
  });
}
