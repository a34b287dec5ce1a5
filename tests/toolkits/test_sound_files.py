"""Models that hear, as far as no toolkit has to be started: who may hear, what is written, what counts for keys."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.benchmark.task import tasks
from orchestrator.environments.environment import Environment
from orchestrator.errors import InputError
from orchestrator.plan.keys import Inputs
from orchestrator.plan.make import make_plan
from orchestrator.plan.preflight import problems_of
from orchestrator.prompts.examples import examples_of, request_lines
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import MODALITIES
from orchestrator.scores.signature import signature
from orchestrator.toolkits.base import TrainInputs
from orchestrator.toolkits.registry import toolkit_names, trainer
from orchestrator.toolkits.sound import hearing, may_hear, sound_problem
from tests.media import tone, write_sounding
from tests.toolkits.tones import TASK, write_tones


def recipe_of(folder: Path, toolkit: str, template: str | None, modality: str | None, **more: Any) -> Recipe:
    path = folder / "r.yaml"
    model = {"name": "m", "path": "o/m", "toolkit": toolkit, "template": template, "type": "MLLM"} | more
    path.write_text(
        json.dumps(
            {"method": "sft", "model": model, "tasks": [TASK], "data": {"modality": modality, "root": str(folder)}}
        )
    )
    return load_recipe(path)


def json_column(file: Path) -> int:
    """Where the value of `data.modality` stands in its line."""
    return file.read_text().index('"modality": ') + len('"modality": ') + 1


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tones")
    write_tones(folder, {"train": 4, "dev": 2, "test": 2})
    return folder


@pytest.mark.parametrize("toolkit", ["llamafactory", "swift"])
def test_the_toolkits_know_the_templates_that_hear(toolkit: str) -> None:
    offers = Environment.load(toolkit).offers
    assert offers is not None
    assert hearing(toolkit)
    assert set(hearing(toolkit)) <= set(offers.template if toolkit == "llamafactory" else offers.model_type)
    assert {one for shown in hearing(toolkit).values() for one in shown} <= set(MODALITIES)


@pytest.mark.parametrize(
    ("toolkit", "template", "modality", "words"),
    [
        ("llamafactory", "qwen2_vl", "video+audio", ("hears nothing through llamafactory", "qwen2_omni, qwen2_audio")),
        ("llamafactory", "qwen2_audio", "video", ("is not shown video through", "set data.modality to audio, or text")),
        ("llamafactory", "qwen2_audio", None, ("is not shown video through",)),
        ("llamafactory", "qwen2_audio", "video+audio", ("is not shown video+audio",)),
        ("llamafactory", "qwen3_omni", "audio", ("hears nothing",)),  # not tried
        ("llava_next", "qwen_1_5", "audio", ("hears nothing through llava_next", "set data.modality: video, or text")),
        ("videollama2", "mistral", "video+audio", ("hears nothing",)),
        ("openai_api", None, "audio", ("hears nothing",)),
        ("swift", "qwen2_audio/qwen2_audio", "audio", ("hears nothing", "qwen2_5_omni do", "set data.modality: text")),
        # a type that hears with a template that does not
        ("swift", "qwen2_5_omni/qwen2_5", "audio", ("`qwen2_5` hears nothing", "template: qwen2_5_omni", "ity: text")),
        ("swift", "qwen2_5_omni/qwen2_5_vl", "audio", ("`qwen2_5_vl` hears nothing", "video, or text")),
        ("swift", "qwen2_5_omni/qwen2_5_vl", "video+audio", ("`qwen2_5_vl` hears nothing", "video, or text")),
        ("llamafactory", "llama3", "audio", ("hears nothing", "set data.modality: text")),  # nor does it see
    ],
)
def test_who_does_not_hear_is_refused(
    root: Path, tmp_path: Path, toolkit: str, template: str | None, modality: str | None, words: tuple[str, ...]
) -> None:
    recipe = recipe_of(tmp_path, toolkit, template, modality)
    said = sound_problem(recipe)
    assert said is not None
    assert all(word in " ".join(said) for word in words), said
    if toolkit != "openai_api":
        told = problems_of(make_plan(recipe, tmp_path / "runs"), everything=True)
        (problem,) = [problem for problem in told if "modality" in problem.message]  # once, whoever says it
        assert modality is None or problem.where == f"{tmp_path / 'r.yaml'}:1:{json_column(tmp_path / 'r.yaml')}"


@pytest.mark.parametrize(
    ("toolkit", "template", "modality"),
    [
        ("llamafactory", "qwen2_omni", "video+audio"),
        ("llamafactory", "qwen2_omni", "audio"),
        ("llamafactory", "qwen2_omni", "video"),
        ("llamafactory", "qwen2_audio", "audio"),
        ("llamafactory", "qwen2_audio", "text"),
        ("llamafactory", "qwen2_vl", "video"),
        ("swift", "qwen2_5_omni", "video+audio"),
        ("swift", "qwen2_5_omni/qwen2_5_omni", "audio"),
        ("swift", "qwen2_5_omni/qwen2_5_vl", "video"),
    ],
)
def test_who_may(tmp_path: Path, toolkit: str, template: str, modality: str) -> None:
    recipe = recipe_of(tmp_path, toolkit, template, modality)
    assert sound_problem(recipe) is None
    assert may_hear(recipe) == (template != "qwen2_vl")


def test_an_llm_hears_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an LLM: it hears no sound"):
        recipe_of(tmp_path, "llamafactory", "qwen", "audio", type="LLM")


@pytest.mark.parametrize(
    ("toolkit", "modality", "begins", "columns"),
    [
        ("llamafactory", "video+audio", "<video><audio>", ["videos", "audios"]),
        ("llamafactory", "audio", "<audio>", ["audios"]),
        ("llamafactory", "video", "<video>", ["videos"]),
        ("swift", "video+audio", "<video>", ["videos"]),  # whose sound swift takes by itself
        ("swift", "audio", "<audio>", ["audios"]),
    ],
)
def test_rows_name_the_clip_for_what_is_taken_of_it(
    root: Path, toolkit: str, modality: str, begins: str, columns: list[str], tmp_path: Path
) -> None:
    template = {"llamafactory": "qwen2_omni", "swift": "qwen2_5_omni"}[toolkit]
    recipe = recipe_of(root, toolkit, template, modality)
    part, file = trainer(toolkit), io.StringIO()
    part.write_examples(examples_of(recipe, tasks()[TASK], "train"), file, modality)
    first = file.getvalue().splitlines()[0 if toolkit == "swift" else 1].removesuffix(",")
    row = json.loads(first)
    asked = row["messages"][0]["content"] if toolkit == "swift" else row["conversations"][0]["value"]
    assert asked.startswith(f"{begins}You are presented with a")
    clip = str(root / TASK / "video" / "train_0.mp4")
    assert {name: row[name] for name in ("videos", "audios") if name in row} == {name: [clip] for name in columns}
    command = part.train(recipe, TrainInputs("m", "d", "cpu"))
    hears = "audio" in modality
    assert any(word.endswith("train_audio.py") for word in command.argv) == hears
    if toolkit == "swift":
        both = {"video+audio": "1", "audio": "0"}.get(modality)
        assert command.env.get("USE_AUDIO_IN_VIDEO") == both
        assert "USE_AUDIO_IN_VIDEO" in command.unset
    else:
        assert ("use_audio_in_video: true" in command.files["train.yaml"]) == (modality == "video+audio")
        listed = json.loads(part.dataset_files(["train"], modality, system=False)["dataset_info.json"])
        assert set(listed["train"]["columns"]) == {"messages", *columns}


def test_requests_name_what_is_heard(root: Path) -> None:
    clip = str(root / TASK / "video" / "test_0.mp4")
    for modality, video, audio in (("video", clip, None), ("video+audio", clip, clip), ("audio", None, clip)):
        recipe = recipe_of(root, "llamafactory", "qwen2_omni", modality)
        request = json.loads(next(request_lines(recipe, [tasks()[TASK]], "test")))
        assert (request["video"], request.get("audio")) == (video, audio)


def test_the_signature_tells_what_was_heard(root: Path) -> None:
    found = {}
    for modality in MODALITIES:
        recipe = recipe_of(root, "llamafactory", "qwen2_omni", modality)
        found[modality] = signature(recipe, tasks()[TASK], "x", 2)
    assert len(set(found.values())) == 4
    assert {name: "|sound:16000" in text for name, text in found.items()} == {
        "text": False, "video": False, "video+audio": True, "audio": True,
    }  # fmt: skip
    assert {name: "|frames:0" in text for name, text in found.items()} == {
        "text": True, "video": False, "video+audio": False, "audio": True,
    }  # fmt: skip


def test_packages_for_sound_count_for_models_that_hear_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of others nothing is done again when such a package has another version."""

    def locks(template: str, modality: str) -> str:
        return str(Inputs(recipe_of(tmp_path, "swift", template, modality), {})._programs("train")["lock"])

    kinds = [("minicpmv2_6", "video"), ("qwen2_5_omni", "video"), ("qwen2_5_omni", "video+audio")]
    before = [locks(*kind) for kind in kinds]
    lock = Environment.load("swift").lock.read_text()
    other = tmp_path / "requirements.lock"
    other.write_text(lock.replace("librosa==", "librosa==9."))
    monkeypatch.setattr(Environment, "lock", property(lambda _: other))
    monkeypatch.setattr(Environment, "lock_digest", "other")
    after = [locks(*kind) for kind in kinds]
    assert [one == two for one, two in zip(before, after, strict=True)] == [True, False, False]


def test_every_package_for_sound_is_in_the_lock() -> None:
    for name in toolkit_names():
        environment = Environment.load(name)
        locked = {line.partition("==")[0] for line in environment.lock.read_text().splitlines() if "==" in line}
        assert set(environment.for_sound) <= locked


@pytest.mark.parametrize("choice", ["fail", "skip", "text_only"])
def test_a_clip_without_sound_is_a_bad_one_where_sound_is_wanted(root: Path, tmp_path: Path, choice: str) -> None:
    folder = tmp_path / "data"
    shutil.copytree(root, folder)
    write_sounding(folder / TASK / "video" / "train_1.mp4", None)
    write_sounding(folder / TASK / "video" / "test_1.mp4", 0 * tone(1))
    for modality in ("video", "video+audio", "audio"):
        recipe = recipe_of(folder, "llamafactory", "qwen2_omni", modality)
        data = recipe.data.model_copy(update={"on_bad_video": choice})
        plan = make_plan(recipe.model_copy(update={"data": data}), tmp_path / "runs")
        said: list[str] = []
        told = [p.message for p in problems_of(plan, everything=True, say=said.append) if "weights" not in p.message]
        if modality == "video":
            assert not [text for text in (*told, *said) if "sound" in text or "bad" in text]
        elif choice == "fail":
            assert "it has no sound" in told
            assert "its sound is silence from beginning to end" in told
        else:
            assert any("1 of 4 videos of its train split are bad" in text for text in said), said
