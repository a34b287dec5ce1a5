"""What the stages write for a toolkit, without starting one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.data.bad_videos import SKIPPED
from orchestrator.errors import InputError
from orchestrator.launch.local import Launcher
from orchestrator.machine.files import write_json
from orchestrator.plan import preflight
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.recipe.load import load_recipe
from orchestrator.run.rows import results_of
from orchestrator.run.stages.context import Context
from orchestrator.run.stages.train import _forget
from orchestrator.run.stages.work import WORK
from orchestrator.scores.signature import signature
from tests.media import write_video
from tests.recipes import write_rows

GOOD, EMPTY, MISSING = ("good", "empty", "missing")


def table(root: Path, name: str, split: str, *rows: tuple[str, str, str]) -> None:
    write_rows(root / name / f"{split}.tsv", ((ident, f"{ident}.mp4", text, label) for ident, text, label in rows))


def plan_of(folder: Path, text: str, root: Path, *overrides: str) -> Plan:
    path = folder / "tiny.yaml"
    path.write_text(f"description: a test\n{text}")
    recipe = load_recipe(path, [f"data.root={root}", "resources.device=cpu", *overrides])
    return make_plan(recipe, folder / "runs")


def work(plan: Plan, kind: str) -> tuple[Path, dict[str, Any]]:
    """Do a stage's work as a run does it; returns its folder and outputs."""
    (job,) = plan.jobs
    stage = job.stage(kind)
    stage.folder.mkdir(parents=True, exist_ok=True)
    with Launcher() as launcher:
        outputs = WORK[kind](Context(plan, job, launcher, "cpu", lambda progress: None), stage)
    write_json(stage.folder / "stage.json", {"state": "done", "key": stage.key, "outputs": outputs, "device": "cpu"})
    return stage.folder, outputs


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for split in ("train", "dev", "test"):
        table(root, "Demo", split, *((f"{split}_{name}", "Is it?", "question") for name in (GOOD, EMPTY, MISSING)))
        (root / "Demo" / "video").mkdir(exist_ok=True)
        write_video(root / "Demo" / "video" / f"{split}_{GOOD}.mp4")
        (root / "Demo" / "video" / f"{split}_{EMPTY}.mp4").touch()
    return root


MLLM = "method: {}\nmodel: tiny_qwen2_vl\ntasks: [demo]\n"


def test_bad_videos_fail_before_anything_starts(videos: Path, tmp_path: Path) -> None:
    problems = preflight.problems_of(plan_of(tmp_path, MLLM.format("sft"), videos))
    assert sum("video is empty" in problem.message for problem in problems) == 3
    assert sum("video is missing" in problem.message for problem in problems) == 3
    assert "data.on_bad_video" in problems[-1].hint


@pytest.mark.parametrize(("choice", "left"), [("skip", [True]), ("text_only", [True, False, False])])
def test_bad_videos_in_training_files_and_requests(
    videos: Path, tmp_path: Path, choice: str, left: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path, MLLM.format("sft"), videos, f"data.on_bad_video={choice}", "select.strategy=last")
    said: list[str] = []
    assert preflight.problems_of(plan, say=said.append) == []
    assert any("2 of 3 videos of its train split" in line and f"data.on_bad_video: {choice}" in line for line in said)
    folder, outputs = work(plan, "convert")
    assert outputs["bad_videos"] == {"train": {"demo": 2}, "dev": {"demo": 2}}
    assert outputs["rows"] == {"train": len(left), "dev": len(left)}
    rows = json.loads((folder / "train.json").read_text())
    assert [bool(row["videos"]) for row in rows] == left

    zero = plan_of(tmp_path, MLLM.format("zero_shot"), videos, f"data.on_bad_video={choice}")

    def answers(context: Context, commands: Any, folder: Path, *rest: Any) -> None:
        """Stands in for the toolkit's process: every request is answered rightly."""
        requests = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
        assert [request["video"] is not None for request in requests] == left
        lines = [json.dumps({"id": r["id"], "text": "dialogue act: question", "seconds": 0.1}) for r in requests]
        (folder / "predictions.jsonl").write_text("".join(f"{line}\n" for line in lines))

    monkeypatch.setattr(Context, "launch", answers)
    _, outputs = work(zero, "infer")
    assert outputs["bad_videos"] == {"demo": 2}
    folder, _ = work(zero, "score")
    row = results_of(zero)[0]
    assert row["bad_videos"] == f"{choice}:test=2"
    assert f"bad_videos:{choice}:test=2" in row["signature"]
    assert results_of(zero)[-1]["bad_videos"] == f"{choice}:test=2"
    # a sample that was left out counts as wrong: n, and with it the score, stays comparable
    assert (row["n"], round(row["acc"], 2)) == (3, 33.33 if choice == "skip" else 100.0)
    assert ((folder / "demo.csv").read_text().count(SKIPPED)) == (2 if choice == "skip" else 0)


def test_not_one_good_video_is_an_error_whatever_the_choice(videos: Path, tmp_path: Path) -> None:
    (videos / "Demo" / "video" / f"test_{GOOD}.mp4").write_bytes(b"not a video")
    plan = plan_of(tmp_path, MLLM.format("zero_shot"), videos, "data.on_bad_video=skip")
    (problem,) = preflight.problems_of(plan)
    assert "zero_shot: not one of 3 videos of its test split" in problem.message


@pytest.mark.parametrize("exclude", [False, True])
def test_leaks_are_left_out_of_instruction_tuning(tmp_path: Path, exclude: bool) -> None:
    root = tmp_path / "data"
    table(root, "MELD", "train", ("MELD_0_1", "Hi", "joy"), ("MELD_0_2", "Hey", "joy"), ("MELD_0_3", "No", "anger"))
    table(root, "MELD", "test", ("MELD_9_1", "hi", "joy"))
    table(root, "MELD-DA", "train", ("MELD-DA_0_3", "No", "answer"))
    table(root, "MELD-DA", "dev", ("MELD-DA_0_2", "Hey", "greeting"))
    table(root, "MELD-DA", "test", ("MELD-DA_0_1", "Hi", "greeting"))
    text = "method: it\nmodel: tiny_qwen2\ntasks: [MELD, MELD-DA]\n" + "it: {exclude_leaks: true}\n" * exclude
    plan = plan_of(tmp_path, text, root, "select.strategy=last")
    folder, outputs = work(plan, "convert")
    ids = {row["id"] for row in json.loads((folder / "train.json").read_text())}
    everything = {"MELD_0_1", "MELD_0_2", "MELD_0_3", "MELD-DA_0_3"}
    assert ids == (everything - {"MELD_0_1", "MELD_0_2"} if exclude else everything)
    assert outputs["leaks"] == (2 if exclude else 0)
    if exclude:  # what is held out is part of the key
        table(root, "MELD-DA", "dev", ("MELD-DA_0_9", "Hey", "greeting"))
        again = plan_of(tmp_path, text, root, "select.strategy=last")
        assert again.jobs[0].stage("convert").key != plan.jobs[0].stage("convert").key


def test_leaks_are_a_matter_of_instruction_tuning(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tiny.yaml:5:\d+: `it.exclude_leaks` is for method it"):
        plan_of(tmp_path, "method: sft\nmodel: tiny_qwen2\ntasks: [MELD]\nit: {exclude_leaks: true}\n", tmp_path)


@pytest.mark.parametrize(("name", "ids"), [("MELD", ["train and test share 1 ids: 1"]), ("MELD-DA", [])])
def test_leaks_that_ids_cannot_tell_are_refused(tmp_path: Path, name: str, ids: list[str]) -> None:
    root = tmp_path / "data"
    table(root, "MELD", "train", ("1", "Hi", "joy"), ("2", "Hey", "joy"))
    table(root, "MELD", "test", ("1" if ids else "3", "Ho", "joy"))
    table(root, "MELD-DA", "train", ("dia0_utt3", "No", "answer"))
    table(root, "MELD-DA", "test", ("dia0_utt1", "Hi", "greeting"))
    text = "method: it\nmodel: tiny_qwen2\ntasks: [MELD, MELD-DA]\n"
    said: list[str] = []
    problems = preflight.problems_of(plan_of(tmp_path, text, root, "select.strategy=last"), say=said.append)
    assert problems == []
    assert said == [f"MELD: {line}" for line in ids]
    asked = plan_of(tmp_path, text, root, "select.strategy=last", "it.exclude_leaks=true")
    problems = preflight.problems_of(asked)
    none = "MELD and MELD-DA label the same utterances, but have no id in common (`1` and `dia0_utt1`)"
    assert [problem.message for problem in problems] == [*ids, none]
    assert "it.exclude_leaks: false" in problems[0].hint


def test_how_much_leaks_is_said(tmp_path: Path) -> None:
    root = tmp_path / "data"
    table(root, "MELD", "train", ("MELD_0_1", "Hi", "joy"), ("MELD_0_2", "Hey", "joy"))
    table(root, "MELD", "test", ("MELD_9_1", "hi", "joy"))
    table(root, "MELD-DA", "train", ("MELD-DA_0_3", "No", "answer"))
    table(root, "MELD-DA", "test", ("MELD-DA_0_1", "Hi", "greeting"))
    text = "method: it\nmodel: tiny_qwen2\ntasks: [MELD, MELD-DA]\nit: {exclude_leaks: true}\n"
    said: list[str] = []
    assert preflight.problems_of(plan_of(tmp_path, text, root, "select.strategy=last"), say=said.append) == []
    assert said == ["MELD: it.exclude_leaks leaves out 1 of its training samples"]


def test_a_training_that_begins_anew_forgets_what_the_last_one_led_to(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for split in ("train", "dev", "test"):
        table(root, "Demo", split, (split, "Is it?", "question"))
    plan = plan_of(tmp_path, "method: sft\nmodel: tiny_qwen2\ntasks: [demo]\n", root)
    (job,) = plan.jobs

    def begin(plan: Plan, at: str, *kinds: str) -> None:
        for stage in plan.jobs[0].stages:
            if stage.kind in kinds:
                state = {"key": stage.key, "inputs": stage.inputs, "attempts": [{"started_at": f"2026-01-01T{at}"}]}
                write_json(stage.folder / "stage.json", state)

    other = plan_of(tmp_path, "method: sft\nmodel: tiny_qwen2\ntasks: [demo]\n", root, "inference.split=dev")
    begin(plan, "09:00", "convert", "select", "infer", "score")
    begin(other, "09:00", "infer", "score")
    begin(plan, "11:00", "train")
    _forget(job.stage("train"))
    assert [stage.kind for stage in job.stages if stage.folder.exists()] == ["convert", "train"]
    assert not other.jobs[0].stage("infer").folder.exists(), "whatever its settings"
    begin(plan, "12:00", "select", "infer")
    _forget(job.stage("train"))
    assert job.stage("infer").folder.exists(), "it was made from this one"


def test_no_gpu_for_a_large_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    root = tmp_path / "data"
    table(root, "Demo", "test", ("a", "Is it?", "question"))

    def said(model: str, *overrides: str) -> list[str]:
        text = f"method: zero_shot\nmodel: {model}\ntasks: [demo]\n"
        return [p.message for p in preflight.problems_of(plan_of(tmp_path, text, root, *overrides))]

    auto = "resources.device=auto"
    large = "Qwen2-7B needs 1 GPU, 0 can be seen here"
    assert said("qwen2_7b", auto) == [large]
    assert said("qwen2_7b") == said("qwen2_0_5b", auto) == said("tiny_qwen2", auto) == []
    own = "{name: mine, path: some/id, toolkit: llamafactory, type: LLM, template: qwen}"
    assert said(own, auto) == [], "who knows how large"
    # looking at a recipe is not running it
    text = "method: zero_shot\nmodel: qwen2_7b\ntasks: [demo]\n"
    plan = plan_of(tmp_path, text, root, auto)
    assert preflight.problems_of(plan, everything=True) == []
    # nor is scoring what another machine has answered
    write_json(plan.jobs[0].stage("infer").folder / "stage.json", {"state": "done"})
    assert preflight.problems_of(plan) == []


@pytest.mark.parametrize(
    ("model", "override", "problem"),
    [
        ("llava_video_7b", "prompt.history=[[hello, hi]]", "prompt.history: the runner of llava_next"),
        ("videollama2_7b", "prompt.history=[[hello, hi]]", "prompt.history: the runner of videollama2"),
        ("qwen2_7b", "prompt.history=[[hello, hi]]", ""),
        ("llava_video_7b", "prompt.train_system=x", "prompt.system: LLaVA-NeXT trains with"),
        ("videollama2_7b", "prompt.train_system=Answer.", "prompt.system: VideoLLaMA2's training data"),
        ("qwen2_7b", "model.attention=flash_attention_2", "model.attention: flash_attention_2 needs"),
        ("llava_video_7b", "model.attention=flash_attention_2", "model.attention: flash_attention_2 needs"),
        ("minicpm_v_2_6", "model.attention=flash_attention_2", "model.attention: flash_attention_2 needs"),
        ("minicpm_v_2_6", "resources.env.MAX_NUM_FRAMES=8", "resources.env.MAX_NUM_FRAMES: use video.frames"),
    ],
)
def test_what_a_toolkit_would_not_do_as_asked(tmp_path: Path, model: str, override: str, problem: str) -> None:
    root = tmp_path / "data"
    for split in ("train", "dev", "test"):
        table(root, "Demo", split, (split, "Is it?", "question"))
    text = f"method: sft\nmodel: {model}\ntasks: [demo]\n"
    more = ["data.modality=text", "select.strategy=last", "train.deepspeed=zero2"]
    if model == "minicpm_v_2_6":
        more.append("model.trust_remote_code=true")
    found = [p.message for p in preflight.problems_of(plan_of(tmp_path, text, root, *more, override))]
    before = [p.message for p in preflight.problems_of(plan_of(tmp_path, text, root, *more))]
    new = [message for message in found if message not in before]
    assert len(new) == bool(problem), new
    assert "".join(new).startswith(problem)


def test_equal_signatures_are_equal_questions(tmp_path: Path) -> None:
    root = tmp_path / "data"
    table(root, "Demo", "test", ("a", "Is it?", "question"), ("b", "It is.", "statement"))
    (root / "Demo" / "video").mkdir()
    text = "method: zero_shot\nmodel: tiny_qwen2_vl\ntasks: [demo]\n"

    def signed(*overrides: str) -> str:
        plan = plan_of(tmp_path, text, root, *overrides)
        return signature(plan.recipe, plan.jobs[0].tasks[0], 2)

    first = signed()
    assert "|frames:4x151200|" in first
    assert signed("inference.batch_size=1", "resources.env.NCCL_DEBUG=INFO") == first
    assert signed("video.max_pixels=1600") != first
    assert signed("resources.env.VIDEO_MIN_PIXELS=9") != first
    assert signed("data.columns={text: id}") != first
    table(root, "Demo", "test", ("b", "It is.", "statement"), ("a", "Is it?", "question"))
    assert signed() == first, "the order of the rows is no matter"
