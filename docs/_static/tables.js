// On a phone a row of a table is shown as a list; each cell then shows its column's heading (site.css).
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table")) {
    const headings = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    if (headings.length === 0) continue;
    table.classList.add("stacks");
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.children].forEach((cell, place) => { cell.dataset.heading = headings[place] ?? ""; });
    }
  }
});
