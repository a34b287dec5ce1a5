"""What is looked at before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.benchmark.task import Task
from orchestrator.data.demo import write_demo_data
from orchestrator.data.samples import Sample
from orchestrator.plan import preflight, survey
from orchestrator.prompts.examples import samples_of
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits import llamafactory
from tests.checkpoints import write_safetensors
from tests.media import write_video
from tests.released_data import released_plan, three_tasks
from tests.running import call
from tests.tables import GOOD, MLLM, plan_of_text, table, with_bad_videos


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return with_bad_videos(tmp_path / "data")


def test_bad_videos_fail_before_anything_starts(videos: Path, tmp_path: Path) -> None:
    problems = preflight.problems_of(plan_of_text(tmp_path, MLLM.format("sft"), videos))
    assert sum("video is empty" in problem.message for problem in problems) == 3
    assert sum("video is missing" in problem.message for problem in problems) == 3
    assert "data.on_bad_video" in problems[-1].hint


def test_not_one_good_video_is_an_error_whatever_the_choice(videos: Path, tmp_path: Path) -> None:
    (videos / "Demo" / "video" / f"test_{GOOD}.mp4").write_bytes(b"not a video")
    plan = plan_of_text(tmp_path, MLLM.format("zero_shot"), videos, "data.on_bad_video=skip")
    (problem,) = preflight.problems_of(plan)
    assert "zero_shot: not one of 3 videos of its test split" in problem.message


@pytest.mark.parametrize(("name", "ids"), [("MELD", ["train and test share 1 ids: 1"]), ("MELD-DA", [])])
def test_leaks_that_ids_cannot_tell_are_refused(tmp_path: Path, name: str, ids: list[str]) -> None:
    root = tmp_path / "data"
    table(root, "MELD", "train", ("1", "Hi", "joy"), ("2", "Hey", "joy"))
    table(root, "MELD", "test", ("1" if ids else "3", "Ho", "joy"))
    table(root, "MELD-DA", "train", ("dia0_utt3", "No", "answer"))
    table(root, "MELD-DA", "test", ("dia0_utt1", "Hi", "greeting"))
    text = "method: it\nmodel: tiny_qwen2\ntasks: [MELD, MELD-DA]\n"
    said: list[str] = []
    problems = preflight.problems_of(plan_of_text(tmp_path, text, root, "select.strategy=last"), say=said.append)
    assert problems == []
    assert said == [f"MELD: {line}" for line in ids]
    asked = plan_of_text(tmp_path, text, root, "select.strategy=last", "it.exclude_leaks=true")
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
    assert preflight.problems_of(plan_of_text(tmp_path, text, root, "select.strategy=last"), say=said.append) == []
    assert said == ["MELD: it.exclude_leaks leaves out 1 of its training samples"]


def test_how_much_leaks_by_text_is_said(tmp_path: Path) -> None:
    root = tmp_path / "data"
    said_twice, elsewhere = "We say this one more time here.", "And this is another long one, too."
    table(
        root,
        "MELD",
        "train",
        ("MELD_0_1", "Hi", "joy"),
        ("MELD_0_2", said_twice, "joy"),
        ("MELD_0_3", elsewhere, "joy"),
    )
    table(root, "MELD", "test", ("MELD_9_1", said_twice, "joy"), ("MELD_0_1x", "Hi", "joy"))
    table(root, "MUStARD", "train", ("1_1", "Ho", "sincere"))
    table(root, "MUStARD", "test", ("1_2", elsewhere.lower(), "sincere"))
    text = "method: it\nmodel: tiny_qwen2\ntasks: [MELD, MUStARD]\nselect: {strategy: last}\n"

    def said(choice: str, *more: str) -> list[str]:
        found: list[str] = []
        plan = plan_of_text(tmp_path, text, root, f"it.exclude_leaks={choice}", *more)
        assert preflight.problems_of(plan, say=found.append) == []
        return found

    assert said("ids") == said("true") == said("false") == []
    stay = "1 of its training samples have the text of one that it, or a task of its source, holds out"
    assert said("text") == [
        "MELD: it.exclude_leaks leaves out 1 of its training samples, 1 of them by text",
        f"MELD: {stay}; within one data set they stay",
    ]
    assert said("text", "it.leak_words=9") == []


@pytest.mark.parametrize(
    ("model", "override", "problem"),
    [
        ("llava_video_7b", "prompt.history=[[hello, hi]]", "prompt.history: the runner of llava_next"),
        ("videollama2_7b", "prompt.history=[[hello, hi]]", "prompt.history: the runner of videollama2"),
        ("qwen2_7b", "prompt.history=[[hello, hi]]", ""),
        ("videollama2_7b", "inference.answers=labels", ""),
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
    found = [p.message for p in preflight.problems_of(plan_of_text(tmp_path, text, root, *more, override))]
    before = [p.message for p in preflight.problems_of(plan_of_text(tmp_path, text, root, *more))]
    new = [message for message in found if message not in before]
    assert len(new) == bool(problem), new
    assert "".join(new).startswith(problem)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_tasks(tmp_path / "data")


def test_training_on_other_frames_is_for_toolkits_that_can(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = released_plan("qwen2_vl_7b_sft", data, "resources.device=cpu")
    message = "video.training: llamafactory shows videos in training as in inference"
    assert message not in [problem.message for problem in preflight.problems_of(plan)]
    monkeypatch.setattr(llamafactory.Trainer, "training_video", False)
    assert message in [problem.message for problem in preflight.problems_of(plan)]


def test_saving_by_time_is_for_toolkits_that_can(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = released_plan("qwen2_vl_7b_sft", data, "resources.device=cpu", "train.save_minutes=30")
    message = "train.save_minutes: trainings of llamafactory save at steps only"
    assert message not in [problem.message for problem in preflight.problems_of(plan)]
    monkeypatch.setattr(llamafactory.Trainer, "saves_between", False)
    assert message in [problem.message for problem in preflight.problems_of(plan)]


def test_prompts_of_a_broken_template_are_refused(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.j2"
    path.write_text("{{ text }}{{ labels[2] }}")  # infer.py names two labels of Ch-sims, training three
    plan = released_plan("tiny_qwen2_sft", data, f"prompt.template={path}", "tasks=[Ch-sims]")
    assert any("the template fails" in problem.message for problem in preflight.problems_of(plan))


OWN = "method: zero_shot\ntasks: [demo]\nmodel:\n  name: X\n  toolkit: {}\n  template: {}\n  type: LLM\n  path: {}\n"


@pytest.mark.parametrize(
    ("toolkit", "template", "message"),
    [
        ("llamafactory", "qwne", "no chat template `qwne`; did you mean `qwen`?"),
        (
            "llamafactory",
            "qwen\u00a0",
            "no chat template `qwen\u00a0`; write a plain space for U+00A0 (no-break space)",
        ),
        ("llamafactory", "xyzzy", "no chat template `xyzzy`; known: those in offers.yaml"),
        ("swift", "minicpmv2-6/minicpmv2_6", "no model type `minicpmv2-6`; did you mean `minicpmv2_6`?"),
        ("swift", "qwen2_vl/qwn2_vl", "no chat template `qwn2_vl`; did you mean `qwen2_vl`?"),
        ("llava_next", "qwen_15", "no chat template `qwen_15`; did you mean `qwen_1_5`?"),
        ("llamafactory", "qwen2_vl", ""),
        ("swift", "qwen2_vl/qwen2_vl", ""),
    ],
)
def test_a_template_that_the_toolkit_does_not_know(tmp_path: Path, toolkit: str, template: str, message: str) -> None:
    text = OWN.format(toolkit, template, "some/model")
    found = preflight.problems_of(plan_of_text(tmp_path, text, demo(tmp_path)), everything=True)
    found = [problem for problem in found if "model.template" in problem.message]
    assert [problem.message for problem in found] == (
        [f"model.template: the toolkit knows {message}"] if message else []
    ) or (message.startswith("no chat template `xyzzy`") and message in found[0].message)
    assert all(problem.where.endswith(".yaml:7:13") for problem in found)


@pytest.mark.parametrize("name", ["enable_thinking", "enable-thinking", "--enable_thinking", "enable thinking"])
def test_options_in_other_spellings_have_their_place(tmp_path: Path, name: str) -> None:
    text = f"method: sft\nmodel: tiny_qwen2\ntasks: [demo]\ntrain:\n  extra:\n    {name}: true\n"
    found = preflight.problems_of(plan_of_text(tmp_path, text, demo(tmp_path)), everything=True)
    (problem,) = [problem for problem in found if "model.thinking" in problem.message]
    assert problem.where.endswith(f".yaml:7:{len(name) + 7}")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_model_of_the_catalogue_that_needs_its_own_code(tmp_path: Path, trusted: bool) -> None:
    text = f"method: sft\nmodel: {{name: internlm2_5_7b, trust_remote_code: {str(trusted).lower()}}}\ntasks: [demo]\n"
    found = preflight.problems_of(plan_of_text(tmp_path, text, demo(tmp_path)), everything=True)
    places = [one.where for one in found if one.message.startswith("model.trust_remote_code: ")]
    assert [place.rpartition(":")[0].endswith(".yaml:3") for place in places] == [True] * (not trusted)


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("a/b/c", "there is no folder `a/b/c`", "looked for from the recipe, then from here"),
        ("./x", "there is no folder `./x`", "or give a hub id"),
        ("weights/good/config.json", "good/config.json` is a file", "the folder that holds config.json"),
        ("weights/empty", "no config.json in", "the folder that holds config.json"),
        ("weights/god", "there is no folder `weights/god`", "weights/good`? (a relative path"),
        ("weights/good", "", ""),
        ("Qwen/Qwen2-7B", "", ""),
        ("weights/unlike-any", "", ""),
    ],
)
def test_a_model_that_is_not_there(tmp_path: Path, path: str, message: str, hint: str) -> None:
    (tmp_path / "weights" / "good").mkdir(parents=True)
    (tmp_path / "weights" / "good" / "config.json").write_text("{}")
    write_safetensors(tmp_path / "weights" / "good" / "model.safetensors")
    (tmp_path / "weights" / "empty").mkdir()
    text = OWN.format("llamafactory", "qwen", path)
    found = preflight.problems_of(plan_of_text(tmp_path, text, demo(tmp_path)), everything=True)
    assert len(found) == bool(message), found
    for problem in found:
        assert message in problem.message
        assert hint in problem.hint
        assert problem.where.endswith(".yaml:9:9")
    named = plan_of_text(tmp_path, text + "  revision: main\n", demo(tmp_path))
    assert len(preflight.problems_of(named, everything=True)) == (path not in ("weights/god",) and bool(message))


def test_a_deepspeed_file_that_is_not_there(tmp_path: Path) -> None:
    text = "method: sft\nmodel: tiny_qwen2\ntasks: [demo]\ntrain: {deepspeed: zer2.json}\n"
    found = preflight.problems_of(plan_of_text(tmp_path, text, demo(tmp_path)), everything=True)
    (problem,) = [problem for problem in found if "deepspeed" in problem.message]
    assert problem.message.endswith("zero2, zero2_offload, zero3, zero3_offload; did you mean `zero2`?")
    assert problem.where.endswith(".yaml:5:20")


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_deepspeed_file_that_is_damaged(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.json").write_text(content)
    text = "method: sft\nmodel: tiny_qwen2\ntasks: [demo]\ntrain: {deepspeed: mine.json}\n"
    found = preflight.problems_of(plan_of_text(tmp_path, text, demo(tmp_path)), everything=True)
    (problem,) = [problem for problem in found if "train.deepspeed" in problem.message]
    assert "mine.json holds no JSON object" in problem.message
    assert problem.where.endswith(".yaml:5:20")


def test_parts_of_a_model_that_knows_none(tmp_path: Path) -> None:
    text = "method: zero_shot\nmodel: {name: tiny_qwen2, parts: {vision_tower: x/y}}\ntasks: [demo]\n"
    found = preflight.problems_of(plan_of_text(tmp_path, text, demo(tmp_path)), everything=True)
    assert [problem.message for problem in found if "parts" in problem.message] == [
        "model.parts.vision_tower: LLaMA-Factory takes no parts: leave it out"
    ]


def test_a_missing_root_is_one_problem_and_hides_no_other(tmp_path: Path) -> None:
    text = "method: sft\nmodel: tiny_qwen2\ntasks: all\ntrain: {deepspeed: zer2.json}\nprompt: {template: my.j2}\n"
    (tmp_path / "my.j2").write_text("Which {{ task }}?")
    found = preflight.problems_of(plan_of_text(tmp_path, text, tmp_path / "none"), everything=True)
    assert [problem.message for problem in found if problem.where == str(tmp_path / "none")] == [
        "the data folder does not exist"
    ]
    assert sum("whatever the speaker says" in problem.message for problem in found) == 12
    assert sum("deepspeed" in problem.message for problem in found) == 1
    assert len(found) == 14


def test_a_prompt_without_the_text_is_only_told_where_a_video_is_shown(tmp_path: Path) -> None:
    (tmp_path / "my.j2").write_text("Which {{ task }}?")
    said: list[str] = []
    plan = plan_of_text(tmp_path, MLLM.format("zero_shot"), with_bad_videos(tmp_path / "data"), "prompt.template=my.j2")
    found = preflight.problems_of(plan, say=said.append)
    assert not any("whatever the speaker says" in problem.message for problem in found)
    assert any("the prompt of demo is the same whatever the speaker says" in line for line in said)


def demo(folder: Path) -> Path:
    if not (folder / "data").exists():
        write_demo_data(folder / "data", sizes=(8, 4, 4))
    return folder / "data"


def test_a_model_of_which_files_are_damaged_or_missing_is_refused(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()

    def found() -> list[str]:
        plan = released_plan("tiny_qwen2_zero_shot", data, f"model.path={folder}", "model.init=null")
        return [problem.message for problem in preflight.problems_of(plan)]

    assert found() == [f"model.path: no config.json in {folder}"]
    (folder / "config.json").write_text("{}")
    assert found() == [f"model.path: it holds no weights ({folder})"]
    write_safetensors(folder / "model.safetensors")
    assert found() == []
    write_safetensors(folder / "model.safetensors", size=3)
    size = (folder / "model.safetensors").stat().st_size
    said = f"model.path: model.safetensors ends too early, after {size} of {size + 13} bytes ({folder})"
    assert found() == [said]
    (folder / "model.safetensors").unlink()
    shards = {str(number): f"model-{number:05}-of-00008.safetensors" for number in range(1, 9)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert len(found()) == 6
    assert found()[0] == f"model.path: {shards['1']} is missing ({folder})"
    assert found()[-1] == "and 3 more problems"


def test_plans_over_the_same_data_read_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(recipe: Recipe, task: Task, split: str) -> list[Sample]:
        read.append(f"{recipe.data.limit} {task.name} {split}")
        return samples_of(recipe, task, split)

    monkeypatch.setattr(survey, "samples_of", counted)
    rows: survey.Rows = {}
    text = MLLM.format("zero_shot")
    for number, overrides in enumerate(([], ["seed=1"], ["data.limit=1"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        plan = plan_of_text(folder, text, demo(tmp_path), "data.modality=text", *overrides)
        assert preflight.problems_of(plan, rows=rows) == []
    assert read == ["None demo test", "1 demo test"]


def test_videos_that_are_to_be_repaired_name_the_command(tmp_path: Path) -> None:
    pytest.importorskip("av")
    root = tmp_path / "data"
    for split in ("train", "dev", "test"):
        table(root, "Demo", split, ("a", "Is it?", "question"), ("b", "Is it?", "question"))
    (root / "Demo" / "video").mkdir()
    write_video(root / "Demo" / "video" / "a.mp4")
    write_video(root / "Demo" / "video" / "b.mkv").rename(root / "Demo" / "video" / "b.mp4")
    command = f"python -m orchestrator data repair --data-root {root} --task demo"

    plan = plan_of_text(tmp_path, MLLM.format("zero_shot"), root)
    each, all_of_them = preflight.problems_of(plan)
    assert each.message.startswith("not every toolkit is given what it shows: ")
    assert each.where == str(root / "Demo" / "video" / "b.mp4")
    assert all_of_them.message == f"1 of 2 videos are to be repaired first: {command}"

    said: list[str] = []
    plan = plan_of_text(tmp_path, MLLM.format("zero_shot"), root, "data.on_bad_video=skip")
    assert preflight.problems_of(plan, say=said.append) == []
    assert any(command in line for line in said)
    assert any("1 of 2 videos of its test split are bad; data.on_bad_video: skip" in line for line in said)

    columns = ("data.columns={text: text}", "data.video_root={root}/Demo/video")
    plan = plan_of_text(tmp_path, MLLM.format("zero_shot"), root, *columns)
    assert "--video-root '{root}/Demo/video' --columns text=text --task demo" in preflight.problems_of(plan)[-1].message
    before = {stage.kind: stage.key for stage in plan.stages}

    call("data", "repair", "--data-root", root, "--task", "demo", "--runs-dir", tmp_path / "runs")
    plan = plan_of_text(tmp_path, MLLM.format("zero_shot"), root, *columns)
    assert preflight.problems_of(plan) == []
    assert before["infer"] != {stage.kind: stage.key for stage in plan.stages}["infer"], "other frames are seen"
