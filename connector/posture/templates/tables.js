// Sorts a page's tables, shows all rows of one, and saves one as CSV. Asks the network for nothing, and keeps nothing.
//
// Tables are complete without this script. The dashboard sets new rows into a table in their original order, and an
// observer sorts the rows again. This script never changes texts, because the dashboard changes them itself.
(() => {
  "use strict";
  const text = (cell) => (cell.querySelector(".unknown") ? "" : cell.querySelector("bdi")?.textContent ?? cell.textContent.trim());
  const isNumber = (cell) => cell.classList.contains("n");
  const value = (cell) => (isNumber(cell) ? text(cell).replaceAll(",", "") : text(cell));

  const severity = ["CRITICAL", "HIGH", "MEDIUM", "LOW"];
  function difference(a, b) {
    const [one, other] = [a, b].map((word) => severity.indexOf(word));
    return one >= 0 && other >= 0 ? one - other : a < b ? -1 : 1;
  }

  // Unknown values come last in both directions; equal rows stay in their original order.
  function compare(column, sign) {
    return (one, other) => {
      const [a, b] = [one, other].map((row) => value(row.cells[column]));
      const place = Number(one.dataset.place) - Number(other.dataset.place);
      if (a === b) return place;
      if (a === "" || b === "") return a === "" ? 1 : -1;
      const order = isNumber(one.cells[column]) && isNumber(other.cells[column]) ? Number(a) - Number(b) : difference(a, b);
      return sign * order || place;
    };
  }

  function sort(heading) {
    const body = heading.closest("table").tBodies[0];
    const rows = [...body.rows];
    const sorted = rows.toSorted(compare(heading.cellIndex, heading.getAttribute("aria-sort") === "descending" ? -1 : 1));
    if (sorted.some((row, place) => row !== rows[place])) body.append(...sorted);
  }

  // Numbers are first sorted from the greatest down.
  function turn(heading) {
    const first = heading.classList.contains("n") ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const wanted = heading.getAttribute("aria-sort") === first ? second : first;
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", wanted);
    sort(heading);
  }

  // A spreadsheet runs a text that begins like a formula: such a text gets an apostrophe, a number does not. So does the
  // rest behind a semicolon or a line break, where a spreadsheet that expects semicolons begins a cell.
  const formula = /(^|[;\t\r\n])(?=[^\S\t\r\n]*[=+\-@＝＋－＠])/gu;
  function field(cell) {
    const shown = value(cell);
    const safe = isNumber(cell) ? shown : shown.replace(formula, "$1'").replace(/^(?=[\t\r\n])/u, "'");
    return `"${safe.replaceAll('"', '""')}"`;
  }

  function save(table, name) {
    const listed = (cells) => [...cells].filter((cell) => !cell.classList.contains("drawn"));
    const lines = [...table.rows].map((row) => listed(row.cells).map(field).join(","));
    const link = document.createElement("a");
    // Excel reads a file as UTF-8 if the file begins with this mark.
    link.href = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv;charset=utf-8" }));
    link.download = `${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest(".tcss button") : null;
    const part = button?.closest(".rows");
    if (!part) return;
    if (button.closest("th")) turn(button.closest("th"));
    else if (button.classList.contains("csv")) save(part.querySelector("table"), button.dataset.name);
    else button.setAttribute("aria-expanded", String(part.toggleAttribute("data-all")));
  });

  document.addEventListener("DOMContentLoaded", () => {
    document.documentElement.classList.add("tcss-scripted");
    new MutationObserver(() => document.querySelectorAll(".tcss th[aria-sort]").forEach(sort)).observe(document.body, {
      characterData: true,
      childList: true,
      subtree: true,
    });
  });
})();
