"""What is wrong with a recipe, and what is said of it."""

from __future__ import annotations

import pytest

from orchestrator.errors import InputError
from orchestrator.recipe.load import load_recipe
from tests.recipe_files import GOOD, problems, write

pytestmark = pytest.mark.usefixtures("own_folder")


def test_a_model_of_the_catalogue_with_differences() -> None:
    model = load_recipe(write("method: sft\ntasks: [MELD]\nmodel: {name: qwen2_7b, path: /w, revision: abc}\n")).model
    assert (model.name, model.path, model.revision, model.template) == ("Qwen2-7B", "/w", "abc", "qwen")


def test_a_path_takes_the_place_of_a_model_from_scratch_and_the_other_way_round() -> None:
    assert load_recipe(write(GOOD), ["model.path=/w"]).model.init is None
    init = "model: {name: qwen2_7b, init: {config: {model_type: qwen2}}}\n"
    assert load_recipe(write("method: sft\ntasks: [MELD]\n" + init)).model.path is None


def test_a_model_outside_the_catalogue() -> None:
    text = "model: {name: Mine, path: org/mine, toolkit: swift, type: MLLM}\nmethod: sft\ntasks: [MELD]\n"
    assert load_recipe(write(text)).model.name == "Mine"


BAD: list[tuple[str, str]] = [
    ("epoch: 3", "4:1: unknown key `epoch`\n    did you mean `train.epochs`?"),
    ("max_steps: 3", "4:1: unknown key `max_steps`\n    `max_steps` belongs under `train`"),
    ("training: {epochs: 3}", "4:1: unknown key `training`\n    did you mean `train`?"),
    ("train: {lr: 3}", "4:9: unknown key `train.lr`\n    did you mean `learning_rate`?"),
    ("lr: 3", "4:1: unknown key `lr`\n    did you mean `train.learning_rate`?"),
    ("resources: {device: gpu}", "4:21: `resources.device` must be one of auto, cpu, cuda, not the text 'gpu'\n    "
     "did you mean `cuda`?"),
    ("data: {modality: audio+video}", "4:18: `data.modality` must be one of text, video, video+audio, audio, "
     "not the text 'audio+video'\n    did you mean `video+audio`?"),
    ("inference: {max_thinking_tokens: 3}", "4:34: `inference.max_thinking_tokens` is for models that think: "
     "`model.thinking` is off\n    remove it (for one run: --set inference.max_thinking_tokens=null), or write "
     "model: {..., thinking: on}"),
    ("sede: 3", "4:1: unknown key `sede`\n    did you mean `seed`?"),
    ("source: a", "4:1: unknown key `source`\n    did you mean `resources`?"),
    ("train: {epoch: 3}", "4:9: unknown key `train.epoch`\n    did you mean `epochs`?"),
    ("train: {extends: a}",
     "4:9: unknown key `train.extends`\n    `extends` belongs at the top of the file, not indented"),
    ("train: {lora: {alph: 3}}", "4:16: unknown key `train.lora.alph`\n    did you mean `alpha`?"),
    ("select: {x: 3}", "4:10: unknown key `select.x`\n    known keys: strategy"),
    ("train: {epochs: '3'}", "4:17: `train.epochs` must be a number, not the text '3'\n    remove the quotes"),
    ("train: {epochs: 0}", "4:17: `train.epochs` must be greater than 0, not 0"),
    ("train:\n  epochs:", "5:10: `train.epochs` must be a number, not nothing (null)\n    "
     "write a value, or remove the key to use the default"),
    ("train: {learning_rate: .inf}", "4:24: `train.learning_rate` must be a number, not the text '.inf'"),
    ("train: {learning_rate: 1_0}", "4:24: `train.learning_rate` must be a number, not the text '1_0'\n    write 10"),
    ("train: {max_steps: 1e3}",
     "4:20: `train.max_steps` must be a whole number, not the number 1000.0\n    write 1000"),
    ("train: {max_steps: 012}", "4:20: `train.max_steps` must be a whole number, not the text '012'\n    write 12"),
    ("train: {warmup_ratio: 1}", "4:23: `train.warmup_ratio` must be less than 1, not 1"),
    ("train: [1]", "4:8: `train` must be a mapping (lines of `key: value`), not a list"),
    ("train: {deepspeed: zero_2}", "4:20: `train.deepspeed`: unknown DeepSpeed configuration `zero_2`\n    "
     "did you mean `zero2`?"),
    ("train: {batch_size: 10, micro_batch_size: 4}", "4:21: `train.batch_size` 10 cannot be split over 1 process(es) "
     "x micro_batch_size 4 = 4 samples\n    "
     "batch_size 8 or 12 would work, or with 10 a micro_batch_size of 1, 2, 5, 10"),
    ("resources: {processes: 3}", "4:24: `train.batch_size` 16 cannot be split over 3 process(es) x micro_batch_size 1 "
     "= 3 samples\n    batch_size 15 or 18 would work"),
    ("name: 2024", "4:7: `name` must be text, not the number 2024\n    put it in quotes"),
    ("name: a/b", "4:7: `name` 'a/b' holds other characters\n    "
     "letters, digits and . _ - + only, for it names a folder: set `name:`, or rename the file"),
    ("seed: true", "4:7: `seed` must be a whole number, not true"),
    ("seed: -1", "4:7: `seed` must be at least 0, not -1"),
    ("data: {video_root: '{rot}/x'}",
     "4:20: `data.video_root`: unknown placeholder {rot}\n    use {root} and {dataset}"),
    ("data: {modality: video}", "4:18: `Tiny-Qwen2` is an LLM: it reads no video\n    "
     "choose a model of type MLLM, or `modality: text`"),
    ("inference: {top_p: 0.9}", "4:20: `inference.top_p` 0.9 has no effect at temperature 0 (greedy)\n    "
     "set a temperature above 0, or remove top_p"),
    ("inference: {answers: labels, temperature: 0.6}", "4:43: `inference.answers: labels` draws nothing: of all labels "
     "the most probable one is the answer\n    remove the temperature, or set answers: free"),
    ("inference: {label_score: mean}", "4:26: `inference.label_score: mean` has no effect on answers that are free\n"
     "    set answers: labels, or remove label_score"),
    ("inference: {answers: label}", "4:22: `inference.answers` must be one of free, labels, not the text 'label'\n    "
     "did you mean `labels`?"),
    ("inference: {max_cost: 3}", "4:23: `inference.max_cost` is for hosted models: `Tiny-Qwen2` runs on GPUs of yours\n"
     "    remove it; a hosted model says `gpus: 0`"),
    ("inference: {max_requests: 0}", "4:27: `inference.max_requests` must be at least 1, not 0"),
    ("inference: {split: tset}", "4:20: `inference.split` must be one of train, dev, test, not the text 'tset'\n    "
     "did you mean `test`?"),
    ("resources: {env: {LOGLEVEL: 1}}",
     "4:29: `resources.env.LOGLEVEL` must be text, not the number 1\n    put it in quotes"),
    ("resources: {env: {HF_TOKEN: x}}", "4:29: `HF_TOKEN` looks like a secret, and recipes are shared\n    "
     "remove it here and type `export HF_TOKEN=...` in the shell: what needs it inherits it"),
    ("resources: {stage_timeout_hours: 1:30}", "4:34: `resources.stage_timeout_hours` must be a number, "
     "not the text '1:30'"),
    ("resources: {seconds_per_step: 0}", "4:31: `resources.seconds_per_step` must be greater than 0, not 0"),
    ("resources: {stop_grace_seconds: -1}", "4:33: `resources.stop_grace_seconds` must be at least 0, not -1"),
]  # fmt: skip


def test_the_name_of_a_file_that_is_none_of_a_recipe() -> None:
    with pytest.raises(InputError, match=r"`name` 'my recipe' holds other characters"):
        load_recipe(write(GOOD, "my recipe.yaml"))


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text[:40].replace("\n", " ") for text, _ in BAD])
def test_bad_lines(text: str, expected: str) -> None:
    found = problems(GOOD + text + "\n")
    assert f"x.yaml:{expected}" in found
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", ["x.yaml: `method` is missing\n    add `method: zero_shot` (or sft, it)",
                "x.yaml: `model` is missing\n    add `model: qwen2_7b`",
                "x.yaml: `tasks` is missing\n    add `tasks: all`"]),
        ("method: sft\nmodel: qwen2_7\ntasks: [MELD]\n",
         ["x.yaml:2:8: unknown model `qwen2_7`\n    did you mean `qwen2_7b`? "
          "(a model outside the catalogue needs toolkit, type, and path or init)"]),
        ("method: sft\nmodel: {name: tiny_qwen2, toolkit: swfit}\ntasks: [MELD]\n",
         ["x.yaml:2:36: unknown toolkit `swfit`\n    did you mean `swift`?"]),
        ("method: sft\nmodel: {revision: 3}\ntasks: [MELD]\n",
         ["x.yaml:2:1: `model.name` is missing\n    add `name: ...`",
          "x.yaml:2:1: `model.toolkit` is missing\n    add `toolkit: NAME`",
          "x.yaml:2:1: `model.type` is missing\n    add `type: LLM` (or MLLM)",
          "x.yaml:2:19: `model.revision` must be text, not the number 3\n    put it in quotes"]),
        ("method: sft\nmodel: {name: tiny_qwen2, trust_remote_code: yes}\ntasks: MELD\n",
         ["x.yaml:2:46: `model.trust_remote_code` must be true or false, not the text 'yes'\n    write true or false",
          "x.yaml:3:8: `tasks` must be a list, not the text 'MELD'\n    write `[MELD]`"]),
        ("method: sft\nmodel: tiny_qwen2\ntasks: []\n", ["x.yaml:3:8: `tasks` must not be empty"]),
    ],
)  # fmt: skip
def test_bad_files(text: str | bytes, expected: list[str]) -> None:
    assert problems(text) == expected


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file() -> None:
    text = (
        "method: stf\nmodel: qwen2_7\ntasks: [MELD, MELDD, MELD, 3, all]\nmethod: it\n"
        "train: {epochs: x, batch_size: 3, micro_batch_size: 2}\ninfer: {}\n"
    )
    assert [problem.split("\n")[0].removeprefix("x.yaml:") for problem in problems(text)] == [
        "1:9: `method` must be one of zero_shot, sft, it, not the text 'stf'",
        "2:8: unknown model `qwen2_7`",
        "3:15: unknown task `MELDD`",
        "3:22: task `MELD` is listed twice",
        "3:28: `tasks[3]` must be text, not the number 3",
        "3:31: unknown task `all`",
        "4:1: duplicate key `method`",
        "5:17: `train.epochs` must be a number, not the text 'x'",
        "5:32: `train.batch_size` 3 cannot be split over 1 process(es) x micro_batch_size 2 = 2 samples",
        "6:1: unknown key `infer`",
    ]
