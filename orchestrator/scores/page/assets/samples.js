// --- the browser of samples

const PAGE = 25;
const FLIPS = {
  gained: "only the first is right", lost: "only the second is right", differ: "they say different things",
  "both-wrong": "both are wrong", "both-right": "both are right",
};
const view = { rows: [], page: 0, asked: 0 };

/** What can be shown: `all` or the number of a set. With another run, only what both answered. */
function setOptions(run, other) {
  return setsOf(run).filter(([place]) => other === "" || other in DATA.sets[place].answers);
}

function chosen() {
  const value = (id) => $(id).value;
  return {
    run: value("#s-run"), other: value("#s-other"), set: value("#s-task"), label: value("#s-label"),
    answer: value("#s-answer"), outcome: value("#s-outcome"), text: value("#s-search").trim().toLowerCase(),
  };
}

/** The options of what depends on the runs and the task; what was chosen stays where it can. */
function refill() {
  const was = chosen();
  const others = runsWithAnswers.filter((run) => String(run) !== was.run);
  fill($("#s-other"), [["", "none"], ...others.map((run) => [run, DATA.runs[run].name])], was.other);
  const other = $("#s-other").value;
  const sets = setOptions(was.run, other);
  fill($("#s-task"), [["all", "all tasks"], ...sets], sets.some(([place]) => String(place) === was.set) ? was.set : "all");
  const set = DATA.sets[$("#s-task").value];
  const classes = set ? set.classes.map((name, place) => [place, name]) : [];
  fill($("#s-label"), [["", "any"], ...classes], was.label);
  fill($("#s-answer"), [["", "any"], ...classes, ...NONE.map((code) => [code, OUTCOMES[code]])], was.answer);
  const flips = other === "" ? [] : Object.entries(FLIPS);
  fill($("#s-outcome"), [["", "any"], ["right", "right"], ["wrong", "wrong"], ...NONE.map((code) => [OUTCOMES[code], OUTCOMES[code]]), ...flips], was.outcome);
}

function fits(outcome, truth, said, second) {
  const right = said === truth;
  const also = second === truth;
  switch (outcome) {
    case "": return true;
    case "right": return right;
    case "wrong": return !right;
    case "gained": return right && !also;
    case "lost": return !right && also;
    case "differ": return said !== second;
    case "both-wrong": return !right && !also;
    case "both-right": return right && also;
    default: return OUTCOMES[said] === outcome;
  }
}

/** All text of a sample that is searched, lower case; made once for each set and run. */
function haystack(set, samples, answers) {
  answers.searched ??= samples.ids.map((id, place) => [
    id, samples.texts?.[place] ?? "", set.classes[samples.truth[place]], nameOf(set, answers.said[place]),
    answers.words.get(place) ?? "",
  ].join("\n").toLowerCase());
  return answers.searched;
}

async function find() {
  const want = chosen();
  const asked = (view.asked += 1);
  const sets = want.set === "all" ? setOptions(want.run, want.other).map(([place]) => place) : [Number(want.set)];
  const held = await Promise.all(sets.map(async (place) => {
    const set = DATA.sets[place];
    const parts = [unpack(set.samples), answersOf(set, want.run), want.other === "" ? null : answersOf(set, want.other)];
    return [set, ...(await Promise.all(parts))];
  }));
  if (asked !== view.asked) return; // something else was chosen meanwhile
  const rows = [];
  for (const [set, samples, answers, second] of held) {
    const texts = want.text ? haystack(set, samples, answers) : null;
    const more = want.text && second ? haystack(set, samples, second) : null;
    for (let place = 0; place < set.n; place += 1) {
      const truth = samples.truth[place];
      const said = answers.said[place];
      if (want.label !== "" && truth !== Number(want.label)) continue;
      if (want.answer !== "" && said !== Number(want.answer)) continue;
      if (!fits(want.outcome, truth, said, second?.said[place])) continue;
      if (texts && !texts[place].includes(want.text) && !more?.[place].includes(want.text)) continue;
      rows.push({ set, samples, place, answers, second });
    }
  }
  Object.assign(view, { rows, page: 0 });
  const total = held.reduce((sum, [set]) => sum + set.n, 0);
  $("#s-count").textContent = `${count(rows.length, "sample")} of ${total.toLocaleString("en")}`;
  draw();
}

function answerCell(set, answers, place, truth) {
  const cell = make("td", "", { class: "text" });
  const said = answers.said[place];
  const label = make("span", "", { class: said === truth ? "mark-right" : "mark-wrong" });
  label.append(isolated(nameOf(set, said)));
  label.append(make("span", said === truth ? " (right)" : " (wrong)", { class: "hidden" }));
  cell.append(label);
  const words = answers.words.get(place);
  if (words !== undefined) {
    const text = make("small");
    const inner = isolated(words);
    inner.className = "clamp";
    text.append(inner);
    cell.append(text);
    const size = answers.sizes[place];
    if (size) cell.append(make("small", `cut: the answer has ${size.toLocaleString("en")} characters`));
  }
  return cell;
}

function sampleCell(samples, place) {
  const cell = make("th", "", { scope: "row" });
  cell.append(isolated(samples.ids[place]));
  const text = samples.texts?.[place];
  if (text) {
    const said = make("small");
    said.append(isolated(text));
    cell.append(said);
  }
  const clip = samples.clips?.[place];
  if (clip) {
    const button = make("button", "Show the clip", { type: "button", class: "plain" });
    button.addEventListener("click", () => {
      const video = make("video", "", { controls: "", preload: "metadata", src: clip });
      video.addEventListener("error", () => video.replaceWith(make("small", visible(`the browser cannot play ${clip}`))));
      button.replaceWith(video);
    });
    cell.append(button);
  }
  return cell;
}

/** A button beside each answer that has not all found room: that depends on the window. */
function foldLong() {
  for (const text of $$("#s-table .clamp").filter((one) => one.scrollHeight > one.clientHeight)) {
    if ($(".more", text.closest("td"))) continue;
    const more = make("button", "Show all", { type: "button", class: "plain more" });
    more.addEventListener("click", () => {
      more.textContent = text.classList.toggle("clamp") ? "Show all" : "Show less";
    });
    text.parentElement.after(more);
  }
}

function draw() {
  const pages = Math.max(1, Math.ceil(view.rows.length / PAGE));
  const some = view.rows.slice(view.page * PAGE, (view.page + 1) * PAGE);
  const { run, other } = chosen();
  const top = make("thead");
  const head = make("tr");
  for (const name of ["Sample", "Task", "True label", DATA.runs[run].name, ...(other === "" ? [] : [DATA.runs[other].name])]) {
    const cell = make("th", "", { scope: "col" });
    cell.append(isolated(name));
    head.append(cell);
  }
  top.append(head);
  const body = make("tbody");
  for (const { set, samples, place, answers, second } of some) {
    const line = make("tr");
    const truth = samples.truth[place];
    const label = make("td");
    label.append(isolated(set.classes[truth]));
    const task = make("td");
    task.append(isolated(set.task));
    line.append(sampleCell(samples, place), task, label, answerCell(set, answers, place, truth));
    if (second) line.append(answerCell(set, second, place, truth));
    body.append(line);
  }
  $("#s-table").replaceChildren(make("caption", "Samples with the answers of the runs", { class: "hidden" }), top, body);
  foldLong();
  $("#s-page").textContent = `page ${view.page + 1} of ${pages}`;
  $("#s-previous").disabled = view.page === 0;
  $("#s-next").disabled = view.page >= pages - 1;
}

/** Show the samples of a cell of a matrix. */
async function browse({ run, set, label, answer }) {
  $("#s-run").value = run;
  $("#s-other").value = "";
  refill();
  $("#s-task").value = set;
  refill();
  $("#s-label").value = label;
  $("#s-answer").value = answer;
  $("#s-outcome").value = "";
  $("#s-search").value = "";
  await find();
  $("#samples").scrollIntoView();
  $("#s-run").focus({ preventScroll: true });
}

if ($("#s-table")) {
  fill($("#s-run"), runsWithAnswers.map((run) => [run, DATA.runs[run].name]), runsWithAnswers[0]);
  fill($("#s-other"), [["", "none"]], "");
  refill();
  $("#samples-tools").addEventListener("input", (event) => {
    if (["s-run", "s-other", "s-task"].includes(event.target.id)) refill();
    find();
  });
  $("#s-clear").addEventListener("click", () => {
    for (const id of ["#s-other", "#s-label", "#s-answer", "#s-outcome", "#s-search"]) $(id).value = "";
    refill();
    find();
  });
  const turn = (step) => {
    view.page += step;
    draw();
  };
  $("#s-previous").addEventListener("click", () => turn(-1));
  $("#s-next").addEventListener("click", () => turn(1));
  window.addEventListener("resize", foldLong);
  find();
}
