"use strict";
(() => {
  const theme = document.getElementById("theme");
  const themes = ["as the system", "light", "dark"];
  let chosen = 0;
  theme.hidden = false;
  theme.addEventListener("click", () => {
    chosen = (chosen + 1) % themes.length;
    theme.textContent = `Theme: ${themes[chosen]}`;
    if (chosen) document.documentElement.dataset.theme = themes[chosen];
    else delete document.documentElement.dataset.theme;
  });

  // Sorts by a heading; what was not measured stays last, whichever way.
  const sorted = (table, column, descending, isText) => {
    const number = (row) => (row.cells[column].dataset.value === undefined ? NaN : Number(row.cells[column].dataset.value));
    const order = (a, b) => {
      if (isText) return a.cells[column].textContent.localeCompare(b.cells[column].textContent) * (descending ? -1 : 1);
      const [x, y] = [number(a), number(b)];
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return (x - y) * (descending ? -1 : 1);
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(order));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const descending = heading.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sorted(table, column, descending, heading.dataset.kind === "text");
      });
    });
  }

  for (const form of document.querySelectorAll("form.filters")) {
    const rows = [...document.getElementById(form.dataset.for).tBodies[0].rows];
    const said = form.querySelector("output");
    const apply = () => {
      const search = form.elements.search.value.trim().toLowerCase();
      const wanted = [...form.querySelectorAll("select")].filter((each) => each.value);
      for (const row of rows) {
        const found = !search || row.dataset.case.toLowerCase().includes(search);
        row.hidden = !(found && wanted.every((each) => row.dataset[each.name] === each.value));
      }
      const shown = rows.filter((row) => !row.hidden).length;
      said.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
    };
    const extra = form.elements.extra;
    const table = document.getElementById(form.dataset.for);
    const fold = () => { if (extra) table.classList.toggle("compact", !extra.checked); };
    fold();
    form.hidden = false;
    for (const event of ["input", "change"]) form.addEventListener(event, () => { apply(); fold(); });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => { apply(); fold(); }));
  }

  // Paper has nothing to open.
  const closed = [];
  addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll("details:not([open])")) { each.open = true; closed.push(each); }
  });
  addEventListener("afterprint", () => { while (closed.length) closed.pop().open = false; });
})();
