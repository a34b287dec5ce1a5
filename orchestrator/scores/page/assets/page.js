"use strict";

// --- what the other parts use

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** An element with text (never HTML) and attributes. */
function make(name, text = "", attributes = {}) {
  const element = document.createElement(name);
  if (text !== "") element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// what turns the direction of text round, or is not seen, is named instead
const UNSEEN = /(?![\t\n])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]/gu;
const visible = (text) =>
  text.replace(UNSEEN, (char) => `<U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}>`);

/** A text from the data, in a direction of its own. */
const isolated = (text) => make("bdi", visible(text));

const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

// --- theme: the system's, light, dark

const THEMES = ["system", "light", "dark"];

function setTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  $("#theme").textContent = `Theme: ${name}`;
}

$("#theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || "system";
  setTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
});

// --- tables that are sorted by their heads

function valueOf(row, column) {
  const cell = row.cells[column];
  const value = cell.dataset.value;
  if (value !== undefined) return Number(value);
  const text = cell.textContent.trim();
  return cell.classList.contains("n") ? NaN : text.toLowerCase();
}

function sortBy(head) {
  const table = head.closest("table");
  const column = head.cellIndex;
  const number = head.classList.contains("n");
  const before = head.getAttribute("aria-sort");
  // scores are asked for from the highest down
  const down = before ? before === "ascending" : number && head.textContent !== "Rank";
  for (const other of $$("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
  const empty = (value) => value === "" || Number.isNaN(value);
  rows.sort(([a], [b]) => {
    if (empty(a) || empty(b)) return empty(a) - empty(b); // nothing is last, either way
    const order = typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
    return down ? -order : order;
  });
  body.append(...rows.map(([, row]) => row));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".sort");
  if (button) sortBy(button.closest("th"));
});

// --- filters over the rows of tables

function filterRows(tools) {
  const target = $(tools.dataset.filters);
  const wanted = $$("[data-by]", tools).map((input) => [input.dataset.by, input.value.trim().toLowerCase()]);
  for (const row of $$("tbody tr", target)) {
    row.hidden = !wanted.every(([by, value]) => {
      if (!value) return true;
      return by === "text" ? row.textContent.toLowerCase().includes(value) : row.dataset[by].toLowerCase() === value;
    });
  }
}

for (const tools of $$("[data-filters]")) tools.addEventListener("input", () => filterRows(tools));

// --- the radar: which shapes are drawn, in which colour

const COLOURS = 8;

for (const radar of $$("[data-radar]")) {
  const shapes = new Map($$(".shape", radar).map((shape) => [shape.dataset.key, shape]));
  radar.addEventListener("change", (event) => {
    const box = event.target;
    if (!box.matches("input[data-key]")) return;
    const shape = shapes.get(box.dataset.key);
    const swatch = $(".swatch", box.parentElement);
    if (box.checked) {
      const used = new Set([...shapes.values()].filter((one) => !one.hasAttribute("hidden")).map((one) => one.dataset.colour));
      let colour = 0;
      while (used.has(`s${colour}`) && colour < COLOURS - 1) colour += 1;
      shape.dataset.colour = `s${colour}`;
      shape.setAttribute("class", `shape s${colour}`);
      swatch.className = `swatch s${colour}`;
    }
    shape.toggleAttribute("hidden", !box.checked);
    swatch.toggleAttribute("hidden", !box.checked);
  });
  for (const shape of shapes.values()) shape.dataset.colour = shape.getAttribute("class").split(" ")[1];
}

// --- the table of scores: another score, the best of each column

const DATA = JSON.parse($("#data").textContent);

function markBest(table) {
  const best = new Map();
  const cells = $$("td[data-task]", table);
  for (const cell of cells) {
    const value = cell.dataset.value === undefined ? -Infinity : Number(cell.dataset.value);
    if (value > (best.get(cell.dataset.task) ?? -Infinity)) best.set(cell.dataset.task, value);
  }
  for (const cell of cells) {
    cell.classList.toggle("best", cell.dataset.value !== undefined && Number(cell.dataset.value) === best.get(cell.dataset.task));
  }
}

for (const select of $$("[data-metric]")) {
  const table = $(select.dataset.metric);
  const published = new Map($$("tbody tr:not([data-run]) td[data-task]", table).map((cell) => [cell, [cell.dataset.value, cell.textContent]]));
  select.addEventListener("input", (event) => {
    event.stopPropagation();
    const scores = DATA.metrics[select.value];
    $(".score", table).textContent = select.selectedOptions[0].textContent;
    for (const cell of $$("tbody tr[data-run] td[data-task]", table)) {
      const value = scores[Number(cell.parentElement.dataset.run)][cell.dataset.task];
      cell.textContent = value === undefined ? "" : value.toFixed(2);
      if (value === undefined) delete cell.dataset.value;
      else cell.dataset.value = value;
    }
    for (const [cell, [value, text]] of published) {
      const known = select.value === "acc" && value !== undefined;
      cell.textContent = known ? text : "";
      if (known) cell.dataset.value = value;
      else delete cell.dataset.value;
    }
    markBest(table);
  });
}
for (const table of $$("table[id^=scores]")) markBest(table);
