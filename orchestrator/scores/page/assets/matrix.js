// --- the confusion matrix of a run and a task, and its scores by label

const NONE = [-1, -4, -2, -3, -5]; // columns behind the labels: unknown, multi, empty, error, cut_off

/** Counts by true class (rows) and answer (classes, then NONE). */
function confusion(set, truth, said) {
  const width = set.classes.length + NONE.length;
  const rows = set.classes.map(() => new Array(width).fill(0));
  truth.forEach((label, place) => {
    const code = said[place];
    rows[label][code >= 0 ? code : set.classes.length + NONE.indexOf(code)] += 1;
  });
  return rows;
}

function matrixCell(set, row, column, counts, total, percent) {
  const value = counts[column];
  const cell = make("td");
  if (!value) return cell;
  const share = value / total;
  const button = make("button", "", { type: "button" });
  const answer = column < set.classes.length ? column : NONE[column - set.classes.length];
  const right = column === row;
  button.className = right ? "right" : "wrong";
  button.classList.toggle("strong", share > (right ? 0.85 : 0.55));
  button.dataset.label = row;
  button.dataset.answer = answer;
  button.title = visible(`${set.classes[row]} answered as ${nameOf(set, answer)}: ${value} of ${total}`);
  button.setAttribute("aria-label", button.title);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  svg.setAttribute("aria-hidden", "true");
  rect.setAttribute("width", "100%");
  rect.setAttribute("height", "100%");
  rect.setAttribute("opacity", (0.08 + 0.92 * share).toFixed(3));
  svg.append(rect);
  button.append(svg, make("span", percent ? (100 * share).toFixed(share < 0.0995 ? 1 : 0) : String(value)));
  cell.append(button);
  return cell;
}

/** Of what a table is: on paper the lists that chose it are not seen. */
function captionOf(set, run, text) {
  const caption = make("caption", "");
  caption.append(isolated(DATA.runs[run].name), ", ", isolated(set.task), `: ${text}`);
  return caption;
}

function drawMatrix(set, run, rows, percent) {
  const seen = set.classes.map((_, place) => place < set.labels || rows[place].some(Boolean) || rows.some((row) => row[place]));
  const columns = rows[0].map((_, column) => column).filter((column) => column >= set.classes.length || seen[column]);
  const head = make("tr");
  head.append(make("th", "true label", { scope: "col" }), make("th", "samples", { scope: "col", class: "n level" }));
  for (const column of columns) {
    const name = column < set.classes.length ? set.classes[column] : nameOf(set, NONE[column - set.classes.length]);
    const cell = make("th", "", { scope: "col" });
    cell.append(isolated(name));
    head.append(cell);
  }
  const body = make("tbody");
  rows.forEach((counts, row) => {
    const total = counts.reduce((sum, value) => sum + value, 0);
    if (!total) return;
    const line = make("tr");
    const name = make("th", "", { scope: "row" });
    name.append(isolated(set.classes[row]));
    line.append(name, make("td", String(total), { class: "n" }));
    for (const column of columns) line.append(matrixCell(set, row, column, counts, total, percent));
    body.append(line);
  });
  const top = make("thead");
  top.append(head);
  $("#matrix-table").replaceChildren(captionOf(set, run, percent ? "percent of the samples of a label" : "number of samples"), top, body);
}

function drawLabels(set, run, rows) {
  const top = make("thead");
  const head = make("tr");
  for (const [name, number] of [["Label", 0], ["samples", 1], ["answered", 1], ["right", 1], ["precision", 1], ["recall", 1], ["F1", 1]]) {
    const cell = make("th", "", { scope: "col", class: number ? "n" : "" });
    cell.append(make("button", name, { type: "button", class: "sort" }));
    head.append(cell);
  }
  top.append(head);
  const body = make("tbody");
  set.classes.forEach((label, place) => {
    const total = rows[place].reduce((sum, value) => sum + value, 0);
    const said = rows.reduce((sum, row) => sum + row[place], 0);
    if (!total && !said && place >= set.labels) return;
    const right = rows[place][place];
    const share = (part, whole) => (whole ? (100 * part) / whole : 0);
    const line = make("tr");
    const name = make("th", "", { scope: "row" });
    name.append(isolated(label));
    line.append(name);
    for (const value of [total, said, right]) line.append(make("td", String(value), { class: "n", "data-value": value }));
    for (const value of [share(right, said), share(right, total), share(2 * right, total + said)]) {
      line.append(make("td", value.toFixed(2), { class: "n", "data-value": value }));
    }
    body.append(line);
  });
  $("#label-table").replaceChildren(captionOf(set, run, "by label, in percent"), top, body);
}

async function showMatrix() {
  const set = DATA.sets[$("#matrix-task").value];
  const run = $("#matrix-run").value;
  const [samples, answers] = await Promise.all([unpack(set.samples), answersOf(set, run)]);
  // something else was chosen meanwhile
  if (run !== $("#matrix-run").value || set !== DATA.sets[$("#matrix-task").value]) return;
  const rows = confusion(set, samples.truth, answers.said);
  drawMatrix(set, run, rows, $("#matrix-cells").value === "percent");
  drawLabels(set, run, rows);
}

if ($("#matrix-table")) {
  const chooseRun = () => {
    const options = setsOf($("#matrix-run").value);
    const task = DATA.sets[$("#matrix-task").value]?.task;
    fill($("#matrix-task"), options, (options.find(([, text]) => text === task) ?? options[0])[0]);
    return showMatrix();
  };
  fill($("#matrix-run"), runsWithAnswers.map((run) => [run, DATA.runs[run].name]), runsWithAnswers[0]);
  $("#matrix-run").addEventListener("input", chooseRun);
  for (const id of ["#matrix-task", "#matrix-cells"]) $(id).addEventListener("input", showMatrix);
  $("#matrix-table").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { label, answer } = button.dataset;
    browse({ run: $("#matrix-run").value, set: $("#matrix-task").value, label, answer });
  });
  chooseRun();
}
