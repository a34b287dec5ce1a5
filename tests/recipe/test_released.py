"""The published protocol: prompt forms, file layouts, and what it brings to a recipe."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.benchmark.model import models
from orchestrator.benchmark.task import benchmark_tasks, tasks
from orchestrator.data.samples import Sample
from orchestrator.environments.places import places, toolkit_names
from orchestrator.errors import InputError
from orchestrator.plan.commands import command_of
from orchestrator.plan.plan import Plan
from orchestrator.prompts.examples import Example, wording_from
from orchestrator.recipe import released
from orchestrator.toolkits.registry import trainer
from orchestrator.toolkits.released import layout_of, write_released
from tests.released_data import LAYOUTS, MM, SAYS, released_plan, released_recipe, three_tasks
from tests.shared import MMLA, needs_mmla


def sample_of(task: str, text: str = "Hi there", label: str = "", video: str | None = None) -> Sample:
    return Sample(f"{task}_1", task, "train", text, label or tasks()[task].labels[0], video)


def asked(toolkit: str, form: str, task: str, split: str = "train", label: str = "") -> tuple[str, str]:
    """The question, without its media placeholder, and the answer."""
    example = wording_from(tasks()[task], split, released.TEMPLATE, (toolkit, form)).example(
        sample_of(task, label=label)
    )
    return example.prompt, example.answer


# --- the released files, character by character

# how prompt_variants.csv calls the forms
VARIANTS = {
    "lf_text": ("llamafactory", "text"),
    "lf_video": ("llamafactory", "video"),
    "llava-next": ("llava_next", "video"),
    "llava-ov": ("llava_next", "video"),
    "swift": ("swift", "video"),
    "vl2": ("videollama2", "video"),
}
# in these two files the labels run together; the table gives the template, not the labels put into it
RUN_TOGETHER = {("swift", "AnnoMi-therapist", "train"), ("swift", "AnnoMi-therapist", "dev")}


@needs_mmla
def test_every_released_prompt_form() -> None:
    with (MMLA / "prompt_variants.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 114
    for row in rows:
        task, split, form = tasks()[row["dataset"]], row["split"], VARIANTS[row["format"]]
        capitals = {"lower": str, "Capitalised": str.capitalize}
        separator = "" if (row["format"], task.name, split) in RUN_TOGETHER else ", "
        labels = separator.join(capitals[row["labels_case"]](label) for label in task.labels)
        body = row["body"].replace("{task}", row["task_string"]).replace("{labels}", labels)
        said = 'He said "{text}" {{ 1 }}'
        expected = f"{row['prefix']} {row['text_slot'].replace('{text}', said)}{body}"
        for label in task.labels:
            example = wording_from(task, split, released.TEMPLATE, form).example(sample_of(task.name, said, label))
            assert LAYOUTS[form].media + example.prompt == expected, row
            assert example.answer == f"{row['response_key']}: {capitals[row['response_case']](label)}", row


# --- the forms, written out


def test_forms_of_training() -> None:
    assert asked("llamafactory", "text", "MIntRec", label="ask for help") == (
        "The speaker says: Hi there Based on the text, what is the intent of this speaker?\n"
        "The candidate labels for intent are: [Complain, Praise, Apologise, Thank, Criticize, Agree, Taunt, Flaunt, "
        "Joke, Oppose, Comfort, Care, Inform, Advise, Arrange, Introduce, Leave, Prevent, Greet, Ask for help]. "
        "Respond in the format: 'intent: [label]'. Only one label should be provided.",
        "intent: Ask for help",
    )
    assert asked("llamafactory", "text", "IEMOCAP", label="sad") == (
        "The speaker says: Hi there Based on the text, what is the emotion of this speaker?\n"
        "The candidate labels for emotion are: [angry, happy, sad, neutral, frustrated, excited]. "
        "Respond in the format: 'emotion: [label]'.Only one label should be provided.",
        "emotion: Sad",
    )
    assert "'dialogue_act: [label]'. Only one" in asked("llamafactory", "text", "MELD-DA")[0]
    assert "'dialogue_act: [label]'.Only one" in asked("llamafactory", "text", "IEMOCAP-DA")[0]
    assert asked("llamafactory", "text", "AnnoMi-client")[1] == "talk_type: neutral"
    assert asked("llamafactory", "text", "AnnoMi-therapist")[1] == "therapist_behaviour: question"
    for toolkit in ("llamafactory", "videollama2"):
        assert asked(toolkit, "video", "MUStARD", label="sarcastic") == (
            f"{SAYS} Hi there {MM} speaking style of this speaker?\n"
            "The candidate labels for speaking style are: [sincere, sarcastic]. "
            "Respond in the format: 'speaking style: [label]'. Only one label should be provided.",
            "speaking style: sarcastic",
        )
    assert asked("llava_next", "video", "MUStARD")[1] == "speaking_style: sincere"


def test_forms_of_swift() -> None:
    assert asked("swift", "video", "IEMOCAP", "test", "happy") == (
        f"{SAYS} Hi there.Based on the text, what is the emotion of this speaker?\n"
        "The candidate labels for emotion are: [angry, happy, sad, neutral, frustrated, excited]. "
        "Respond in the format: 'emotion: [label]'.Only one label should be provided.",
        "emotion: Happy",
    )
    names = {
        split: asked("swift", "video", "AnnoMi-client", split)[1].split(":")[0] for split in ("train", "dev", "test")
    }
    assert names == {"train": "talk_type", "dev": "talk_type", "test": "communication_behavior"}
    assert (
        "are: [questiontherapist_inputreflectionother]. Respond"
        in asked("swift", "video", "AnnoMi-therapist", "dev")[0]
    )
    assert (
        "are: [question, therapist_input, reflection, other]. R"
        in asked("swift", "video", "AnnoMi-therapist", "test")[0]
    )
    question, answer = asked("swift", "instruct", "MIntRec", label="praise")
    assert question.startswith(f"{SAYS}Hi there {MM} intent of this speaker?\n")
    assert "are: ['complain', 'praise', 'apologise', " in question
    assert question.endswith(
        "'greet', 'ask for help']. Respond in the format: 'intent: [label]'. Only one label should be provided."
    )
    assert answer == "intent: Praise"


def test_forms_of_inference() -> None:
    assert asked("llamafactory", "infer", "Ch-sims", "test")[0] == (
        "You are presented with a video in which the speaker says: Hi there. "
        "Based on the text, video, and audio content, what is the sentiment of this speaker?\n"
        "The candidate labels for sentiment are: [positive, negative]."
        "Respond in the format: 'sentiment: [label]'.  Only one label should be provided."
    )
    assert asked("llava_next", "infer", "Ch-sims", "test")[0] == (
        "You are presented with a video in which the speaker says: Hi there. "
        "Based on the text, video, and audio content, what is the sentiment of this speaker?\n"
        "The candidate labels for sentiment are: [neutral, positive, negative]."
        "Respond in the format: 'sentiment: [label]'. Only one label should be provided."
    )
    assert asked("llamafactory", "infer", "AnnoMi-therapist", "test")[0] == (
        "You are presented with a video in which the speaker says: Hi there. "
        "Based on the text, video, and audio content, what is the communication behavior of this speaker?\n"
        "The candidate labels for communication behavior are: [question, therapist_input, reflection, other]."
        "Respond in the format: 'communication behavior: [label]'.  Only one label should be provided."
    )


def test_the_tables_are_sound() -> None:
    for toolkit in toolkit_names():
        release = released.release(toolkit)
        assert set(trainer(toolkit).layouts if release.forms else ()) <= {entry.modality for entry in release.families}
        for name, form in release.forms.items():
            assert set(form.datasets) <= set(benchmark_tasks("mmla")), (toolkit, name)
            assert {split for own in form.datasets.values() for split in own.splits} <= {"train", "dev", "test"}
        for name in {**release.forms, **released._shared()}:
            for task in benchmark_tasks("mmla").values():
                for split in ("train", "dev", "test"):
                    wording_from(task, split, released.TEMPLATE, (toolkit, name))
        known = {*release.forms, *released._shared()}
        for entry in release.families:
            assert {entry.train, entry.infer} <= known
            assert layout_of(trainer(toolkit), entry.modality).form == entry.train
    forms = [form for toolkit in toolkit_names() for form in released.release(toolkit).forms.values()]
    forms += released._shared().values()
    used = {form.template for form in forms} | {own.template for form in forms for own in form.datasets.values()}
    assert used - {None} == {path.stem for path in released.SHARED.parent.glob("*.j2")}
    for name, model in models().items():
        if model.benchmark and released.release(model.toolkit).families:
            modality = "video" if model.type == "MLLM" else "text"
            found = released.family(model.toolkit, modality, model.template, model.name)
            assert found is not None, name


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("forms: {text: {template: text, spelling: letters}}", "letters"),
        ("forms: {text: {template: text, tsak: mood}}", "tsak"),
        ("forms: {text: {template: text, datasets: {MELD: {splits: {train: {labels: Capitalised}}}}}}", "labels"),
        ("families: [{modality: sound, train: a, infer: b}]", "sound"),
        ("families: [{modality: text, train: infer, infer: infre}]", "unknown form `infre`"),
        ("forms: {text: {spelling: words}}", "`forms.text.template` is missing"),
        ("scripts: {sft: {loads: many}}", "loads"),
    ],
)
def test_a_wrong_table_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, said: str
) -> None:
    (tmp_path / released.FILE).write_text(f"{wrong}\n")
    own = replace(places()["swift"], code=tmp_path)
    monkeypatch.setattr(released, "places", lambda: {**places(), "swift": own})
    with pytest.raises(InputError) as raised:
        released.release.__wrapped__("swift")
    assert any(said in problem.message for problem in raised.value.problems)
    assert all(problem.where.startswith(f"{tmp_path / released.FILE}:1:") for problem in raised.value.problems)


# --- layouts, on data of our own

CLIP = "/v/{}/video/{}.mp4"


def written(toolkit: str, modality: str, *examples: Example) -> str:
    file = io.StringIO()
    assert write_released(LAYOUTS[toolkit, modality], iter(examples), file) == len(examples)
    return file.getvalue()


def example_of(task: str, name: str, prompt: str = "Q", system: str | None = None) -> Example:
    sample = replace(sample_of(task), id=name, video=CLIP.format(task, name))
    return Example(sample, prompt, "A: b", system)


def test_layouts() -> None:
    one, two = example_of("MELD", "MELD_1_2"), example_of("MELD", "MELD_3_4", 'é\u2028\n"')
    assert (
        written("llamafactory", "text", one, two)
        == """[
    {
        "id": 0,
        "video": "MELD_1_2.mp4",
        "conversations": [
            {
                "from": "human",
                "value": "Q"
            },
            {
                "from": "gpt",
                "value": "A: b"
            }
        ]
    },
    {
        "id": 1,
        "video": "MELD_3_4.mp4",
        "conversations": [
            {
                "from": "human",
                "value": "é\u2028\\n\\""
            },
            {
                "from": "gpt",
                "value": "A: b"
            }
        ]
    }
]"""
    )
    video = '"/v/MELD/video/MELD_1_2.mp4"'
    assert (
        written("llava_next", "video", one)
        == f"""[
    {{
        "id": 0,
        "conversations": [
            {{
                "from": "human",
                "value": "<image>\\nQ"
            }},
            {{
                "from": "gpt",
                "value": "A: b"
            }}
        ],
        "images": {video}
    }}
]"""
    )
    assert written("swift", "video", one, two) == (
        f'{{"query": "Q", "response": "A: b", "videos": [{video}]}}\n'
        '{"query": "é\u2028\\n\\"", "response": "A: b", "videos": ["/v/MELD/video/MELD_3_4.mp4"]}\n'
    )
    turns = """"conversations": [
            {
                "value": "%sQ",
                "from": "human"
            },
            {
                "value": "A: b",
                "from": "gpt"
            }
        ]"""
    assert written("videollama2", "video", one) == (
        f'[\n    {{\n        "id": 0,\n        "video": {video},\n        {turns % "<video>" + chr(0)}\n    }}\n]'
    ).replace("<video>", "<video>\\n").replace("\0", "")
    assert written("llamafactory", "video", one) == (
        f'[\n    {{\n        "id": 0,\n        "videos": [\n            {video}\n        ],\n        '
        f"{turns % '<video>'}\n    }}\n]"
    )
    assert (written("llava_next", "video"), written("swift", "video")) == ("[]", "")


@pytest.mark.parametrize(
    ("task", "name", "in_text_files", "in_llava_files"),
    [
        ("MELD-DA", "MELD-DA_0_0", "MELD_0_0", "MELD-DA_0_0"),
        ("IEMOCAP-DA", "IEMOCAP-DA_Ses01", "IEMOCAP_Ses01", "IEMOCAP-DA_Ses01"),
        ("MUStARD", "MUStARD_1_70", "MUSTARD_1_70", "MUStARD_1_70"),
        ("Ch-sims", "Ch-sims_csbdgs2_0001_00009", "Ch-sims_csbgs2_0001_00009", "Ch-sims_csbgs2_0001_00009"),
        ("MELD", "MELD_MELD-DA_1", "MELD_MELD-DA_1", "MELD_MELD-DA_1"),
    ],
)
def test_names_of_videos(task: str, name: str, in_text_files: str, in_llava_files: str) -> None:
    example = example_of(task, name)
    assert json.loads(written("llamafactory", "text", example))[0]["video"] == f"{in_text_files}.mp4"
    assert json.loads(written("llava_next", "video", example))[0]["images"] == CLIP.format(task, in_llava_files)
    assert json.loads(written("llamafactory", "video", example))[0]["videos"] == [CLIP.format(task, name)]
    nameless = Example(replace(example.sample, video=None), "Q", "A: b")
    assert json.loads(written("llamafactory", "text", nameless))[0]["video"] == f"{in_text_files}.mp4"


@pytest.mark.parametrize("task", benchmark_tasks("mmla"))
def test_order_of_keys(task: str) -> None:
    first = next(iter(json.loads(written("llamafactory", "text", example_of(task, "a")))[0]["conversations"][0]))
    assert first == ("from" if task in ("MIntRec", "MIntRec2.0", "MELD", "MELD-DA") else "value")
    for toolkit in ("llamafactory", "videollama2"):
        assert list(json.loads(written(toolkit, "video", example_of(task, "a")))[0]["conversations"][0]) == [
            "value",
            "from",
        ]


def test_text_only_samples_and_control_tokens() -> None:
    text_only = Example(sample_of("MELD"), "<video> <|im_end|>", "A: b", "S")
    for form, layout in LAYOUTS.items():
        record = (
            json.loads(written(*form, text_only).strip()) if layout.lines else json.loads(written(*form, text_only))[0]
        )
        # made harmless is what the toolkit acts on, as in inference
        assert ("<video> < |im_end|>" if form[0] == "llava_next" else "< video> < |im_end|>") in json.dumps(record)
        assert "/v/" not in json.dumps(record)
        assert "images" not in record
        assert record["system"] == "S"


def test_rows_are_written_one_at_a_time() -> None:
    """Memory does not grow with the data set: each row is in the file before the next is made."""
    file = io.StringIO()

    def rows() -> Any:
        for number in range(3):
            yield example_of("MELD", f"MELD_{number}")
            assert f"MELD_{number}.mp4" in file.getvalue()

    for layout in LAYOUTS.values():
        file.seek(0)
        file.truncate()
        assert write_released(layout, rows(), file) == 3


# --- recipes


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return three_tasks(tmp_path / "data")


def keys(plan: Plan) -> dict[str, str]:
    return {stage.name: stage.key for stage in plan.stages}


def kinds_that_differ(one: Plan, other: Plan) -> set[str]:
    a, b = keys(one), keys(other)
    assert a.keys() == b.keys()
    return {name.rpartition("/")[2] for name in a if a[name] != b[name]}


def test_arguments_of_training(data: Path) -> None:
    def arguments(name: str, *overrides: str, protocol: str = "released") -> dict[str, Any]:
        plan = released_plan(name, data, *overrides, protocol=protocol)
        command = command_of(plan, plan.jobs[0].stage("train"), "cuda")
        assert command is not None
        return dict(yaml.safe_load(command.files["train.yaml"]))

    video = arguments("qwen2_vl_7b_sft")
    assert [video[f"video_{key}"] for key in ("fps", "maxlen", "max_pixels")] == [2.0, 64, 16384]
    video = arguments("qwen2_vl_7b_sft", protocol="mmla")
    assert [video[f"video_{key}"] for key in ("fps", "maxlen", "max_pixels")] == [100.0, 4, 151200]
    assert arguments("internlm2_5_7b_sft")["default_system"] == ""
    assert "default_system" not in arguments("qwen2_7b_sft")
    assert "default_system" not in arguments("internlm2_5_7b_sft", protocol="mmla")
    infer = released_plan("qwen2_vl_7b_sft", data)
    command = command_of(infer, infer.jobs[0].stage("infer"), "cuda")
    assert command is not None
    config = json.loads(command.files["config.json"])
    assert (config["frames"], config["max_pixels"], config["max_new_tokens"]) == (4, 151200, 128)


@pytest.mark.parametrize(
    ("name", "end"), [("qwen2_7b", "`<|im_end|>`;"), ("qwen2_vl_7b", "`<|im_end|>`;"), ("internlm2_5_7b", "`</s>`;")]
)
def test_how_the_release_ended_an_answer_is_said(name: str, end: str) -> None:
    entry = released_recipe(f"{name}_sft").released
    assert entry is not None
    assert entry.note is not None
    assert end in entry.note


def test_tokens_are_counted_as_training_sees_videos() -> None:
    short = released_recipe("qwen2_vl_7b_sft", "train.max_length=600")
    assert any("64 frames of up to 16384 pixels" in problem for problem in trainer("llamafactory").problems(short))
    assert trainer("llamafactory").problems(released_recipe("qwen2_vl_7b_sft")) == []


def test_keys(data: Path) -> None:
    everything = {"convert", "train", "select", "infer", "score"}
    for name in ("qwen2_7b_sft", "qwen2_vl_7b_sft"):
        assert kinds_that_differ(released_plan(name, data), released_plan(name, data, protocol="mmla")) == everything
    asked = {"infer", "score"}
    one = released_plan("internlm2_5_7b_sft", data)
    assert kinds_that_differ(one, released_plan("internlm2_5_7b_sft", data, "prompt.history=[]")) == asked
    trained = released_plan("internlm2_5_7b_sft", data, "prompt.train_system=Hm.")
    assert kinds_that_differ(one, trained) == everything
    video = released_plan("qwen2_vl_7b_sft", data)
    assert kinds_that_differ(video, released_plan("qwen2_vl_7b_sft", data, "video.training=null")) >= everything - {
        "convert"
    }


def test_keys_of_other_recipes_know_nothing_of_it(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of the released protocol can change without anything of `protocol: mmla` running again."""
    before = {name: keys(released_plan(name, data, protocol="mmla")) for name in ("qwen2_7b_sft", "qwen2_vl_7b_it")}
    old = keys(released_plan("qwen2_7b_sft", data))
    file = places()["llamafactory"].code / released.FILE
    table = yaml.safe_load(file.read_text(encoding="utf-8"))
    del table["forms"]["text"]["datasets"]["MIntRec"]["labels"]
    (tmp_path / released.FILE).write_text(yaml.safe_dump(table))
    own = replace(places()["llamafactory"], code=tmp_path)
    monkeypatch.setattr(released, "places", lambda: {**places(), "llamafactory": own})
    try:
        released.release.cache_clear()
        released.spelled.cache_clear()
        for name, same in before.items():
            plan = released_plan(name, data, protocol="mmla")
            assert keys(plan) == same
            assert not any("protocol" in stage.inputs for stage in plan.stages)
        new = keys(released_plan("qwen2_7b_sft", data))
        assert {name.split("/")[0] for name in new if new[name] != old[name]} == {"MIntRec"}
    finally:
        monkeypatch.undo()
        released.release.cache_clear()
        released.spelled.cache_clear()
