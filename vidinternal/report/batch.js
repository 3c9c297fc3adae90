"use strict";
(() => {
  const table = document.getElementById("clips"), body = table.tBodies[0], order = document.getElementById("order");
  const heads = [...table.querySelectorAll("th[data-column]")];
  const compare = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;
  const sort = (head, down) => {
    const column = Number(head.dataset.column) + 1, number = head.classList.contains("n");
    const value = (row) => row.cells[column].dataset.value;
    const rows = [...body.rows];
    rows.sort((a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === ""); // what is not known comes last either way
      return (down ? -1 : 1) * (number ? Number(x) - Number(y) : compare(x, y));
    });
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  };
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => sort(head, head.getAttribute("aria-sort") === "ascending"));
  }
  order.addEventListener("change", () => sort(heads[Number(order.value)], false));
})();
