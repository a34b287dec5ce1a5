"""Inputs that are edited while a run goes on, and files that are lost or damaged between two runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.plan import record
from orchestrator.run.stages.context import Context
from tests.media import write_video
from tests.recipes import write_rows
from tests.run.place import Place, write_data, write_task
from tests.running import answers, records, stage_folder

SHOWN = ("--set", "model.type=MLLM", "--set", "train.batch_size=1", "--set", "train.micro_batch_size=1")


@pytest.fixture
def own(tmp_path: Path) -> Place:
    """A run over data of its own, which a test may edit."""
    write_data(tmp_path / "data")
    return Place(tmp_path / "own", tmp_path / "data")


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], None]:
    """Have something happen once, while the process of a kind of stage runs."""
    launch = Context.launch

    def happen(kind: str, act: Callable[[], object]) -> None:
        def launched(self: Context, part: Any, commands: Any, folder: Path, *rest: Any) -> None:
            launch(self, part, commands, folder, *rest)
            if folder.name.startswith(kind):
                monkeypatch.setattr(Context, "launch", launch)
                act()

        monkeypatch.setattr(Context, "launch", launched)

    return happen


def labels(path: Path) -> None:
    swap = {"question": "statement", "statement": "question"}
    rows = [row.split("\t") for row in path.read_text().splitlines()]
    path.write_text("".join("\t".join([*row[:-1], swap.get(row[-1], row[-1])]) + "\n" for row in rows))


def ids(path: Path) -> None:
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(f"x{row}" for row in rows)]) + "\n")


def texts_under_their_old_time(path: Path) -> None:
    times = path.stat()
    path.write_text(
        path.read_text().replace("e", "a").replace("quastion", "question").replace("statamant", "statement")
    )
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def emptied(path: Path) -> None:
    path.write_text("")


EDITS = (labels, ids, texts_under_their_old_time, emptied, Path.unlink)
MOMENTS = (("infer", "test", "score"), ("train", "test", "infer"), ("init", "dev", "convert"))


# every edit at one moment and one edit at every moment; the others are longer proofs
@pytest.mark.parametrize(
    ("edit", "during", "split", "stops"),
    [
        pytest.param(edit, *moment, marks=() if edit is labels or moment is MOMENTS[0] else pytest.mark.long)
        for edit in EDITS
        for moment in MOMENTS
    ],
)
def test_data_edited_while_a_run_goes_on_stops_it(
    own: Place, calm: Place, meanwhile: Any, edit: Callable[[Path], None], during: str, split: str, stops: str
) -> None:
    path = own.data / "Demo" / f"{split}.tsv"
    before = path.read_bytes()
    meanwhile(during, lambda: edit(path))
    said = own.run(code=1)
    assert f"demo/{stops}: FAILED" in said
    assert "was planned for was changed since the run began" in said
    assert f"the {split} data of demo" in said
    assert "run the same command again" in said
    assert not own.results.exists()
    path.write_bytes(before)
    own.run()
    assert own.attempts()["demo/train"] == 1
    assert answers(own.folder) == answers(calm.folder, "demo")
    assert own.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]
    assert own.rows()["demo"]["signature"] == calm.rows()["demo"]["signature"]


def test_the_results_name_the_data_that_was_scored(own: Place, calm: Place, meanwhile: Any, monkeypatch: Any) -> None:
    from orchestrator.run import run

    report = run.report

    def late(*rest: Any) -> None:
        labels(own.data / "Demo" / "test.tsv")
        report(*rest)

    monkeypatch.setattr(run, "report", late)
    own.run()
    assert own.rows()["demo"]["signature"] == calm.rows()["demo"]["signature"]


@pytest.mark.parametrize("name", ["Demo/test.tsv", "recipe"])
def test_what_one_task_of_several_gave_is_shown_whatever_was_edited_since(
    own: Place, calm: Place, meanwhile: Any, monkeypatch: Any, name: str
) -> None:
    from orchestrator.run import run

    own = Place(own.folder, own.data, tasks="demo, MELD")
    report = run.report

    def late(*rest: Any) -> None:
        if name == "recipe":
            own.recipe.write_text(own.recipe.read_text().replace("epochs: 1", "epochs: 2"))
        else:
            labels(own.data / name)
        report(*rest)

    monkeypatch.setattr(run, "report", late)
    own.run("--task", "demo")
    assert own.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]


def test_a_model_edited_while_a_run_goes_on_is_not_merged_into(own: Place, meanwhile: Any) -> None:
    own.run()
    base = shutil.copytree(stage_folder(own.folder, "init") / "model", own.folder / "base")
    (base / "config.json").write_text("{}")
    text = own.recipe.read_text().replace("init: {config: {model_type: echo}}", f"path: {base}")
    own.recipe.write_text(text.replace("finetuning: full", "finetuning: lora"))
    meanwhile("train", lambda: (base / "config.json").write_text('{"edited": 1}'))
    said = own.run("--merge", code=1)
    assert "demo/merge: FAILED: what demo/train was planned for was changed" in said
    assert f"the model's files in {base}" in said


@pytest.mark.parametrize("value", [float("nan"), None])
def test_an_evaluation_without_a_number_is_not_compared(place: Place, meanwhile: Any, value: float | None) -> None:
    def spoil(most: int) -> None:
        for path in place.folder.glob("runs/*/*/train-*/output/**/trainer_state.json"):
            state = json.loads(path.read_text())
            for row in state["log_history"][:most]:
                row["eval_accuracy"] = value
            path.write_text(json.dumps(state))

    best = ("--set", "select.strategy=best_eval")
    meanwhile("train", lambda: spoil(1))
    said = place.run(*best)
    assert "demo/select: the accuracy on dev of step 3 is no number: not compared" in said
    assert "checkpoint-6 (best_eval, 87.50 % of the tokens right on dev)" in said
    spoil(99)
    shutil.rmtree(stage_folder(place.folder, "select"))
    said = place.run(*best, code=1)
    assert "demo/select: FAILED: the accuracy on dev of step 3, 6, 9, 10 is no number, in " in said


def test_a_prompt_edited_while_a_run_goes_on_stops_it(own: Place, tmp_path: Path, meanwhile: Any) -> None:
    prompt = tmp_path / "mine.j2"
    prompt.write_text("{{ text }} One of {{ labels | join(', ') }}?")
    meanwhile("train", lambda: prompt.write_text("{{ text }} Not one of {{ labels | join(', ') }}?"))
    said = own.run("--set", f"prompt.template={prompt}", code=1)
    changed = "FAILED: what demo/infer was planned for was changed since the run began:\n    - the prompt template"
    assert f"demo/infer: {changed} {prompt}" in said
    assert "run the same command again: it makes a new plan, or put back what was there" in said
    own.run("--set", f"prompt.template={prompt}")


@pytest.mark.parametrize("edit", [("[funny, serious]", "[serious, funny]"), ("zh", "en"), ("labels", "lables")])
def test_a_task_redefined_while_a_run_goes_on_stops_it(own: Place, meanwhile: Any, edit: tuple[str, str]) -> None:
    write_task(own.data)
    own = Place(own.folder, own.data, tasks="Humour")
    file = own.data / "Humour" / "task.yaml"
    before = file.read_text()
    meanwhile("train", lambda: file.write_text(before.replace(*edit)))
    said = own.run(code=1)
    changed = "FAILED: what Humour/infer was planned for was changed since the run began:\n    - what defines the task"
    assert f"Humour/infer: {changed} Humour, {file}" in said
    file.write_text(before)
    own.run()
    assert own.attempts()["Humour/train"] == 1


def test_a_remark_in_a_task_file_stops_nothing(own: Place, meanwhile: Any) -> None:
    write_task(own.data)
    file = own.data / "Humour" / "task.yaml"
    meanwhile("train", lambda: file.write_text(file.read_text() + "licence: mine\n"))
    Place(own.folder, own.data, tasks="Humour").run()


@pytest.mark.parametrize("edit", [lambda path: path.write_text("{{ text }}?"), Path.unlink])
def test_a_prompt_edited_when_all_is_asked_is_not_the_one_that_is_named(
    own: Place, tmp_path: Path, meanwhile: Any, edit: Callable[[Path], None]
) -> None:
    prompt = tmp_path / "mine.j2"
    prompt.write_text("{{ text }} One of {{ labels | join(', ') }}?")
    own.run("--set", f"prompt.template={prompt}")
    named = {name: own.rows()["demo"][name] for name in ("prompt", "signature")}
    shutil.rmtree(stage_folder(own.folder, "infer"))
    meanwhile("infer", lambda: edit(prompt))
    own.run("--set", f"prompt.template={prompt}")
    assert {name: own.rows()["demo"][name] for name in named} == named


def test_what_a_prompt_includes_is_read_once(own: Place, tmp_path: Path, meanwhile: Any) -> None:
    (tmp_path / "mine.j2").write_text('{{ text }} {% include "part.j2" %}')
    part = tmp_path / "part.j2"
    part.write_text("One of these")
    meanwhile("train", lambda: part.write_text("None of these"))
    own.run("--set", f"prompt.template={tmp_path / 'mine.j2'}")
    requests = records(stage_folder(own.folder, "infer") / "requests.jsonl")
    assert all(request["prompt"].endswith("One of these") for request in requests.values())


def clips(root: Path) -> None:
    for split in ("train", "dev", "test"):
        (root / "Demo" / "video").mkdir(parents=True, exist_ok=True)
        names = [write_video(root / "Demo" / "video" / f"{split}{number}.mp4").name for number in range(2)]
        rows = zip(("Is it?", "It is."), ("question", "statement"), names, strict=True)
        write_rows(root / "Demo" / f"{split}.tsv", [(name[:-4], name, text, label) for text, label, name in rows])


@pytest.mark.parametrize(("kind", "split"), [("train", "train"), ("infer", "test")])
def test_a_video_replaced_while_it_is_read_spoils_the_stage(
    own: Place, tmp_path: Path, meanwhile: Any, kind: str, split: str
) -> None:
    clips(tmp_path / "clips")
    path = tmp_path / "clips" / "Demo" / "video" / f"{split}1.mp4"
    before = path.read_bytes()
    meanwhile(kind, lambda: write_video(path, frames=40))
    more = (*SHOWN, "--set", f"data.root={tmp_path / 'clips'}")
    said = own.run(*more, code=1)
    assert f"demo/{kind}: FAILED: videos were changed while they were read: {path}" in said
    path.write_bytes(before)
    assert f"demo/{kind}: begins anew: what it read was changed while it ran" in own.run(*more)
    assert len(answers(own.folder)) == 2


def test_lost_answers_are_asked_again(place: Place, calm: Place) -> None:
    place.run()
    journal = stage_folder(place.folder, "infer") / "predictions.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    told = "demo/infer: is mended: predictions.jsonl not as it left it"
    for kept, content in (
        (13, b"".join(lines[:5] + lines[8:])),
        (14, b"".join([*lines[:3], b"\0" * 200 + b"\n", *lines[4:9], b"[]\n", *lines[10:]])),
        (15, b"".join(lines)[:-20]),
        (15, b"".join(lines[:-1]) + b'{"id": "demo/none", "text": "question"}\n'),
    ):
        journal.write_bytes(content)
        said = place.run()
        assert told in said
        assert f"demo/infer: goes on: {kept} of 16 requests are answered" in said
        assert answers(place.folder) == answers(calm.folder, "demo")
        assert place.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]
        assert place.rows()["demo"]["error"] == 0
    journal.unlink()
    assert told in place.run()
    assert answers(place.folder) == answers(calm.folder, "demo")
    assert place.attempts() == {**dict.fromkeys(place.attempts(), 1), "demo/infer": 6, "demo/score": 6}


@pytest.mark.parametrize("done", ["score", ""])
def test_edited_answers_are_no_answers(place: Place, calm: Place, done: str) -> None:
    place.run()
    journal = stage_folder(place.folder, "infer") / "predictions.jsonl"
    before = journal.read_text()
    edited = before.replace("statement", "question")
    journal.write_text(edited)
    if not done:  # and so the damage is seen before anything runs
        shutil.rmtree(stage_folder(place.folder, "score"))
    said = place.run()
    aside = journal.with_name("predictions.jsonl.edited")
    assert f"demo/infer: all is asked again: its answers were edited, and are now in {aside}" in said
    assert aside.read_text() == edited
    assert answers(place.folder) == answers(calm.folder, "demo")
    assert place.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]
    # the same lines twice are no edit
    journal.write_text(before + before)
    assert "goes on: 16 of 16 requests are answered" in place.run()
    assert journal.read_text() == before


def test_answers_lost_before_they_are_scored(place: Place, calm: Place) -> None:
    place.run()
    folder = stage_folder(place.folder, "infer")
    journal = folder / "predictions.jsonl"
    shutil.rmtree(stage_folder(place.folder, "score"))
    text = journal.read_text()
    journal.write_text(text.replace('{"id": "demo/', '{"id"; "demo/', 1))  # of the same length
    assert "goes on: 15 of 16 requests are answered" in place.run()
    assert answers(place.folder) == answers(calm.folder, "demo")
    # and where nothing was sealed
    state = json.loads((folder / "stage.json").read_text())
    (folder / "stage.json").write_text(json.dumps(state | {"files": {}}))
    journal.write_text(text.replace('{"id": "demo/', '{"id"; "demo/', 2))
    shutil.rmtree(stage_folder(place.folder, "score"))
    said = place.run(code=1)
    assert "2 of 16 requests have no answer, the first demo/" in said
    assert "run the same command again: it asks these" in said
    place.run()
    assert answers(place.folder) == answers(calm.folder, "demo")


DAMAGE = ("", "[]", "null", '{"state": "do', '{"state": 3}', '{"state": "done", "attempts": 1}',
          '{"state": "done", "outputs": []}', '{"state": "done"}\0', "\ud800")  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "stage.json",
        "scores.json",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("train.jsonl", "requests.jsonl")),
    ],
)
def test_a_damaged_file_of_a_done_run(place: Place, calm: Place, name: str) -> None:
    place.run()
    for content in DAMAGE:
        table = place.results.read_bytes()
        for path in list(place.folder.glob(f"runs/*/*/*/{name}")):
            path.write_bytes(content.encode("utf-8", "surrogatepass"))
        place.run()
        assert answers(place.folder) == answers(calm.folder, "demo")
        assert place.rows()["demo"]["acc"] == calm.rows()["demo"]["acc"]
        if name == "train.jsonl":
            assert place.results.read_bytes() == table
        assert "everything is done already" in place.run()


@pytest.mark.parametrize("small", [0, record.SMALL_BYTES])
def test_converted_files_that_were_edited_are_written_again(
    place: Place, calm: Place, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "SMALL_BYTES", small)
    place.run(do="fail:train", code=1)
    converted = stage_folder(place.folder, "convert") / "train.jsonl"
    text = converted.read_text()
    converted.write_text(text.replace("question", "Question", 1))
    said = place.run()
    if small:
        assert "demo/convert: is mended: train.jsonl not as it left it" in said
    else:
        assert f"demo/convert is mended: not as it left them: train.jsonl in {converted.parent}" in said
    assert converted.read_text() == text
    assert answers(place.folder) == answers(calm.folder, "demo")


def test_answers_of_another_training_are_known_whatever_their_dates(place: Place, calm: Place) -> None:
    place.run()
    for kind in ("select", "infer", "score"):
        path = stage_folder(place.folder, kind) / "stage.json"
        state = json.loads(path.read_text())
        state["attempts"][0]["started_at"] = "2999-01-01T00:00:00.000+00:00"
        path.write_text(json.dumps(state | {"state": "running"} if kind == "infer" else state))
    shutil.rmtree(stage_folder(place.folder, "train"))
    journal = stage_folder(place.folder, "infer") / "predictions.jsonl"
    journal.write_text(journal.read_text().replace("statement", "stale"))
    said = place.run()
    assert "demo/infer: begins anew: what is there came from another training" in said
    assert answers(place.folder) == answers(calm.folder, "demo")
    assert "everything is done already" in place.run()
