// A click on a column's head sorts its table: numbers from the largest, text from A (numbers in it by size), and back.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const table = head.closest("table");
    const number = head.classList.contains("number");
    const before = head.getAttribute("aria-sort");
    const ascending = before ? before === "descending" : !number;
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const key = (row) => row.children[head.cellIndex].textContent;
    const value = (row) => parseFloat(key(row).replaceAll(",", "").replace("\u2212", "-"));
    const compare = number ? (a, b) => value(a) - value(b) : (a, b) => key(a).localeCompare(key(b), undefined, {numeric: true});
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => (ascending ? compare(a, b) : compare(b, a))));
  });
}
