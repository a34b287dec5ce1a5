"""Every kind of bad input, through the command line: exit status 2, the message, and nothing launched.

``python -m pytest tests/cli/test_bad_input.py -s`` prints the messages as a user sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.data.demo import write_demo_data
from tests.media import write_video
from tests.running import call
from tests.shared import ROOT

BASE = f"extends: {ROOT}/recipes/_base/tiny_qwen2.yaml\nmethod: sft\ntasks: [demo]\ndata: {{root: data}}\n"


@dataclass(frozen=True)
class Case:
    """A way to break the input, and what must be said about it."""

    name: str
    expected: tuple[str, ...]
    recipe: str = ""
    break_: Callable[[Path], object] = lambda folder: None
    arguments: tuple[str, ...] = ()
    base: str = field(default=BASE)


def edit(old: str, new: str, split: str = "train") -> Callable[[Path], None]:
    def break_(folder: Path) -> None:
        path = folder / "data" / "Demo" / f"{split}.tsv"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return break_


def with_video(content: bytes | None) -> Callable[[Path], None]:
    """Names a good clip in every row, and in one row of test a clip with this content (none: not there)."""

    def break_(folder: Path) -> None:
        videos = folder / "data" / "Demo" / "video"
        videos.mkdir()
        write_video(videos / "good.mp4", frames=4)
        if content is not None:
            (videos / "bad.mp4").write_bytes(content)
        for split in ("train", "dev", "test"):
            path = folder / "data" / "Demo" / f"{split}.tsv"
            text = path.read_text().replace("\t\t", "\tgood.mp4\t")
            path.write_text(text.replace("good.mp4", "bad.mp4", 1) if split == "test" else text)

    return break_


def many_missing_videos(folder: Path) -> None:
    for split in ("train", "dev", "test"):
        path = folder / "data" / "Demo" / f"{split}.tsv"
        rows = path.read_text().splitlines()
        named = [row.replace("\t\t", f"\t{split}_{number}.mp4\t", 1) for number, row in enumerate(rows)]
        path.write_text("\n".join(named) + "\n")


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def unlink(split: str) -> Callable[[Path], object]:
    return lambda folder: (folder / f"data/Demo/{split}.tsv").unlink()


VIDEO = "model: tiny_qwen2_vl\n"
CASES = [
    Case("typo in a key", ("tiny.yaml:6:3: unknown key `train.epoch`", "did you mean `epochs`?"),
         "train:\n  epoch: 3\n"),
    Case("wrong type", ("tiny.yaml:6:11: ", "number", "'three'"), "train:\n  epochs: three\n"),
    Case("no is not false", ("tiny.yaml:5:46: ", "must be true or false, not the text 'no'"),
         "model: {name: tiny_qwen2, trust_remote_code: no}\n"),
    Case("text for a number", ("tiny.yaml:6:18: ", "number"), "train:\n  learning_rate: '1e-4'\n"),
    Case("unknown task", ("tiny.yaml:3:9: unknown task `MELDD`", "did you mean `MELD`?"),
         base=BASE.replace("[demo]", "[MELDD]")),
    Case("unknown model", ("tiny.yaml:5:8: unknown model `tiny_quen2`", "did you mean `tiny_qwen2`?"),
         "model: tiny_quen2\n"),
    Case("unknown toolkit", ("tiny.yaml:5:", "unknown toolkit `lamafactory`", "did you mean `llamafactory`?"),
         "model: {name: X, path: x, toolkit: lamafactory, type: LLM}\n"),
    Case("model folder that is not there", ("tiny.yaml:5:33: model.path: there is no folder `/no/model`",),
         "model: {name: tiny_qwen2, path: /no/model}\n"),
    Case("a model without a type",
         ("tiny.yaml:5:15: the model `X` is not in the catalogue, and lacks type, path (or init)",),
         "model: {name: X, toolkit: llamafactory}\n"),
    Case("a model of a name alone", ("tiny.yaml:5:15: unknown model `X`", "needs toolkit, type, and path or init"),
         "model: {name: X}\n"),
    Case("chat template that the toolkit does not know", ("tiny.yaml:5:37: model.template: ", "did you mean `qwen`?"),
         "model: {name: tiny_qwen2, template: qwne}\n"),
    Case("DeepSpeed name", ("tiny.yaml:5:20: ", "unknown DeepSpeed configuration `zero4`", "did you mean `zero"),
         "train: {deepspeed: zero4}\n"),
    Case("DeepSpeed file that is not there", ("tiny.yaml:5:20: train.deepspeed: `zer2.json`", "did you mean `zero2`?"),
         "train: {deepspeed: zer2.json}\n"),
    Case("prompt without the text", ("my.j2: the prompt of demo is the same whatever", "write {{ text }} where"),
         "prompt: {template: my.j2}\n", write("my.j2", "{% set said = text %}Which {{ task }}?\n")),
    Case("task with a zero-width space", ("tiny.yaml:3:9: `demo<U+200B>` holds what cannot be seen", "remove U+200B"),
         base=BASE.replace("[demo]", "[demo\u200b]")),
    Case("task with a zero-width space on the command line",
         ("--task demo<U+200B>: unknown task", "did you mean `demo`?"),
         arguments=("--task", "demo\u200b")),
    Case("model folder without a model", ("model.path: no config.json in data",),
         "model: {name: tiny_qwen2, path: data}\n"),
    Case("duplicate key", ("tiny.yaml:6:1: ", "seed", "tiny.yaml:5"), "seed: 1\nseed: 2\n"),
    Case("cyclic extends", ("extends", "tiny.yaml", "other.yaml"), base="extends: other.yaml\n",
         break_=write("other.yaml", "extends: tiny.yaml\n")),
    Case("no such recipe", ("tinny.yaml", "did you mean"), arguments=("tinny.yaml",)),
    Case("bad override", ("--set train.epoch=3", "did you mean `epochs`?"), arguments=("--set", "train.epoch=3")),
    Case("batch that does not divide", ("train.batch_size", "would work"),
         "train: {batch_size: 10, micro_batch_size: 4}\n"),
    Case("missing data folder", ("the data folder does not exist", "--set data.root=DIR"),
         arguments=("--set", "data.root=nowhere")),
    Case("missing data file", ("train.tsv",), break_=unlink("train")),
    Case("missing dev for selection", ("no dev data for demo", "select.strategy: last"), break_=unlink("dev")),
    Case("missing column", ("train.tsv:1", "label", "id, video, text, lable"), break_=edit("label", "lable")),
    Case("label outside the list", ("train.tsv:", "`questoin`", "did you mean `question`?"),
         break_=edit("\tquestion\n", "\tquestoin\n")),
    Case("duplicate id", ("train.tsv:3", "demo_train_00000"), break_=edit("demo_train_00001\t", "demo_train_00000\t")),
    Case("empty split", ("train.tsv:1: no rows below the header",),
         break_=write("data/Demo/train.tsv", "id\tvideo\ttext\tlabel\n")),
    Case("missing video", ("bad.mp4: the video is missing",), VIDEO, with_video(None)),
    Case("many missing videos", ("train_9.mp4: the video is missing", "and 46 more videos; `data check --videos`"),
         VIDEO, many_missing_videos),
    Case("empty video", ("bad.mp4: the video is empty (0 bytes)",), VIDEO, with_video(b"")),
    Case("corrupt video", ("bad.mp4: ",), VIDEO, with_video(b"this is no video" * 99)),
    Case("no videos named", ("name no video", "data.modality: text", "--task", "--set data.on_bad_video=text_only"),
         VIDEO),
    Case("path that leaves the folder", ("test.tsv:2", "outside the video folder"), VIDEO,
         lambda folder: [step(folder) for step in (with_video(None), edit("bad.mp4", "../../../secret.mp4", "test"))]),
    Case("undefined prompt variable", ("my.j2:1", "speaker", "text"), "prompt: {template: my.j2}\n",
         write("my.j2", "{{ text }} by {{ speaker }}\n")),
    Case("broken template", ("my.j2:",), "prompt: {template: my.j2}\n", write("my.j2", "{% if %}\n")),
    Case("no such template", ("no prompt template `mmla/txt.j2`", "did you mean `mmla/text.j2`?"),
         "prompt: {template: mmla/txt.j2}\n"),
    Case("a flag that the orchestrator sets", ("train.extra.output_dir",), "train: {extra: {output_dir: here}}\n"),
    Case("secret among the toolkit's options", ("`hf_hub_token` looks like a secret",),
         "train: {extra: {hf_hub_token: hf_abc}}\n"),
    Case("GPUs chosen in a recipe", ("the GPUs are not chosen in a recipe",),
         "resources: {env: {CUDA_VISIBLE_DEVICES: '3'}}\n"),
    Case("an option that counts samples otherwise", ("train.extra.packing",), "train: {extra: {packing: true}}\n"),
    Case("frames that leave no room", ("are up to 1536 tokens", "train.max_length is 512"),
         VIDEO + "video: {frames: 16}\n", with_video(None)),
    Case("merge without an adapter", ("--merge merges a LoRA adapter",), arguments=("--merge",)),
    Case("runs folder that cannot be made", ("cannot be written", "--runs-dir"), arguments=("--runs-dir", "/proc/no")),
    Case("results folder that cannot be made", ("results cannot be written", "--results-dir"),
         arguments=("--results-dir", "/proc/no")),
    Case("too few GPUs", ("needs 1 GPU, 0 can be seen here",), "resources: {device: cuda}\n"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo_data(tmp_path / "data", sizes=(40, 8, 8))
    (tmp_path / "tiny.yaml").write_text(case.base + case.recipe)
    case.break_(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    recipe = () if case.name == "no such recipe" else ("tiny.yaml",)
    said = call("run", *recipe, *case.arguments, code=2)
    print(f"\n## {case.name}\n{said}")
    for part in case.expected:
        assert part in said
    assert not list(tmp_path.glob("runs/*/*/*/stage.json"))


def test_all_problems_at_once(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(f"{BASE}train: {{epoch: 3, learning_rate: fast}}\nseeed: 1\nselect: [last]\n")
    said = call("run", tmp_path / "tiny.yaml", code=2)
    for part in ("`train.epoch`", "learning_rate", "`seeed`", "select"):
        assert part in said
