"""What must be said before anything is launched, and what must not pass without a word."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tests.chaos.table import add
from tests.chaos.world import Lab, understandable
from tests.recipes import write_rows
from tests.running import attempt
from tests.shared import RECIPES

# words of the command line, what must be said
WRONG = {
    "a toolkit's name": ("model.toolkit=ecco", r"did you mean `echo`"),
    "a toolkit's template": ("template", r"did you mean `qwen2_vl`|did you mean"),
    "a model's path": ("path", r"no such|does not exist|there is no"),
    "a DeepSpeed file's name": ("train.deepspeed=zero3_ofload", r"deepspeed"),
    "a model's name without its type": ("model", r"type|toolkit|did you mean|known"),
    "a strategy": ("select.strategy=best_evil", r"did you mean `best_eval`"),
    "a task": ("tasks=[dmeo]", r"did you mean `demo`"),
    "a key": ("train.epoch=3", r"did you mean `epochs`"),
    "a number written as text": ("train.learning_rate=fast", r"number"),
}


def refused(lab: Lab, name: str) -> None:
    given, expected = WRONG[name]
    world = lab.at("new")
    words = [world.recipe, "--set", given]
    if given in ("template", "path"):
        value = "model.template=qwen2_lv" if given == "template" else "model.path=./weights/nowhere"
        words = [RECIPES / "qwen2_vl_7b_sft.yaml", "--set", f"data.root={world.folder}/data", "--set", "tasks=[demo]",
            "--set", "data.modality=text",
                 "--set", value]  # fmt: skip
    if given == "model":
        world.recipe.write_text(re.sub("model: .*", "model: {name: X}", world.recipe.read_text()))
        words = words[:1]
    code, said = attempt("validate", *words)
    assert code == 2, f"it is not refused:\n{said}" if not code else said
    understandable(said, code, hint=False)
    assert re.search(expected, said), said
    assert not list(world.folder.glob("runs/*/*/*/log.txt")), "something was launched"


def prompt_without_text(lab: Lab) -> None:
    world = lab.at("new")
    (world.folder / "p.j2").write_text("Which of {{ labels }}?")
    code, said = attempt("validate", world.recipe, "--set", f"prompt.template={world.folder}/p.j2")
    assert code == 2, said
    assert "text" in said, said


def no_data(lab: Lab) -> None:
    world = lab.at("new")
    shutil.rmtree(world.folder / "data")
    code, said = attempt("validate", world.recipe, "--set", "tasks=[MELD, MOSI]")
    understandable(said, code)
    assert "MMLA_DATA_ROOT" in said, said
    assert "data download" in said, said
    assert len(said.splitlines()) <= 6, said


ROWS = {
    "a zero-width space in a label": (("a", "", "Is it?", "question\u200b"), r"U\+200B"),
    "a control character in a label": (("a", "", "Is it?", "que\x85stion"), r"U\+0085"),
    "a label of other letters": (("a", "", "Is it?", "ｑｕｅｓｔｉｏｎ"), r"did you mean `question`|U\+FF51|question"),
    "an id twice": (("demo_test_00001", "", "Is it?", "question"), r"already"),
    "a row too long": (("a", "", "Is it?", "question", "more"), r"5 fields"),
    "a path that leaves the folder": (("../../x", "../../x.mp4", "Is it?", "nothing"), r"nothing|outside|leaves"),
}


def bad_row(lab: Lab, name: str) -> None:
    world = lab.at("new")
    row, expected = ROWS[name]
    file = world.split("test")
    rows = [line.split("\t") for line in file.read_text().splitlines()[1:]]
    write_rows(file, [*rows, list(row)])
    code, said = attempt("validate", world.recipe)
    understandable(said, code, hint=False)
    assert re.search(expected, said), said
    assert "\x85" not in said
    assert "\u200b" not in said


def meld_ids(lab: Lab) -> None:
    """MELD's own columns: Utterance_ID starts anew in each dialogue and is no id."""
    folder = lab.at("new").folder / "data" / "MELD"
    folder.mkdir()
    head = "Sr No.\tUtterance\tSpeaker\tEmotion\tSentiment\tDialogue_ID\tUtterance_ID\n"
    for split in ("train", "dev", "test"):
        rows = "1\tfine\tPat\tneutral\tneutral\t0\t0\n2\tgo\tPat\tjoy\tpositive\t1\t0\n"
        (folder / f"{split}.tsv").write_text(head + rows)
    code, said = attempt("data", "check", "--task", "MELD", "--root", folder.parent)
    assert "Traceback" not in said
    assert "twice" not in said, said
    assert code == 0 or re.search("Utterance_ID|id", said), said


def scored(lab: Lab, text: str, expected: str) -> None:
    """All answers are one text; a note says that this is odd."""
    world = lab.at("infer")
    asked = [json.loads(line)["id"] for line in (world.stage("infer") / "requests.jsonl").read_text().splitlines()]
    journal: Path = world.stage("infer") / "predictions.jsonl"
    journal.write_text("".join(json.dumps({"id": one, "text": text, "seconds": 1}) + "\n" for one in asked))
    code, said = world.run()
    assert code == 0, said
    assert re.search(expected, said, re.I), f"no note:\n{said}"


def tie(lab: Lab) -> None:
    """Three checkpoints of one accuracy on dev: told, and which is taken."""
    world = lab.at("new")
    for split in ("train", "dev"):
        file = world.split(split)
        rows = [line.split("\t") for line in file.read_text().splitlines()[1:]]
        write_rows(file, [[*row[:3], "question"] for row in rows])
    code, said = world.run()
    assert code == 0, said
    assert re.search(r"\btie|\bties|same accuracy|equally|as good", said), f"the tie is not told:\n{said}"


def broken_task_file(lab: Lab) -> None:
    """A task file of somebody's that is wrong stops no command that does not need it."""
    world = lab.at("infer")
    file = world.folder / "data" / "Broken" / "task.yaml"
    file.parent.mkdir()
    file.write_text("labels: [\n")
    try:
        code, said = world.shell('"$@"')
        assert code == 0, said
        for words in ("ls recipes", "ls models", f"status --runs-dir {world.folder}/runs", "--help"):
            code, said = world.shell(f'"$1" "$2" "$3" "$4" {words}')
            assert code == 0, said
    finally:
        file.unlink()
    world.settles()


ONE_LABEL = r"(every|each|all( \d+| the)?) answers?|one label|same label"
NO_LABEL = r"name no (single )?label|no answer|none of|100 ?%.*unknown|unknown.*100"
for _name, (_, _expected) in WRONG.items():
    add("told", f"validate, wrong: {_name}", f"refused: {_expected}", refused, _name)
for _name, (_, _expected) in ROWS.items():
    add("told", f"validate, data: {_name}", f"refused: {_expected}", bad_row, _name)
add("told", "validate, a prompt without the text", "refused", prompt_without_text)
add("told", "validate, no data root", "one message: data download, MMLA_DATA_ROOT", no_data)
add("told", "MELD's own columns", "Utterance_ID is no id", meld_ids)
add("told", "all answers are one label", "a note", scored, "question", ONE_LABEL)
add(
    "told",
    "no answer is a label",
    "a note",
    scored,
    "zzz",
    NO_LABEL,
)
add("told", "checkpoints that are equally good", "a note", tie)
add("told", "a task file that is wrong", "stops no command that does not need it", broken_task_file)
