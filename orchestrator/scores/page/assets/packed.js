// --- samples and answers, unpacked when they are first asked for

const OUTCOMES = { "-1": "unknown", "-2": "empty", "-3": "error", "-4": "multi", "-5": "cut_off" };
const unpacked = new Map();

/** What a packed text holds (base 64, deflated, JSON); each is unpacked once. */
function unpack(text) {
  if (!unpacked.has(text)) unpacked.set(text, inflate(text));
  return unpacked.get(text);
}

async function inflate(text) {
  if (!("DecompressionStream" in window)) {
    $("#s-count").textContent = "This browser is too old to unpack the samples; one of 2023 or later can.";
    throw new Error("no DecompressionStream");
  }
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

/** The answers of a run to a set: codes by sample, and the model's own words where they are more than the label. */
async function answersOf(set, run) {
  const packed = set.answers[run];
  if (packed === undefined) return null;
  const held = await unpack(packed);
  if (!held.words) {
    held.words = new Map();
    let place = 0;
    held.at.forEach((step, index) => {
      place += step;
      held.words.set(place, held.strings[held.which[index]]);
    });
  }
  return held;
}

const nameOf = (set, code) => (code >= 0 ? set.classes[code] : OUTCOMES[code]);

const runsWithAnswers = DATA.runs
  .map((run, place) => place)
  .filter((place) => DATA.sets.some((set) => String(place) in set.answers));

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => {
    const option = make("option", visible(text), { value });
    option.selected = String(value) === String(chosen);
    return option;
  }));
}

/** The sets of a run, one of each task: `value` and `text` of options. */
const setsOf = (run) => DATA.sets.map((set, place) => [place, set.task]).filter(([place]) => String(run) in DATA.sets[place].answers);
