"""What the VideoLLaMA2 module writes and reads, without VideoLLaMA2; tests/toolkits runs the real one."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.convert import Conversion, convert_split
from orchestrator.data.samples import Sample
from orchestrator.inside import trainer_hooks as shared
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Progress, TrainInputs
from orchestrator.toolkits.registry import engine, trainer
from orchestrator.toolkits.videollama2.inside import infer
from orchestrator.toolkits.videollama2.inside import train as launcher
from orchestrator.toolkits.videollama2.inside.utterance import neutralise
from tests.checkpoints import write_checkpoint, write_safetensors, write_torch
from tests.shared import MMLA, needs_mmla

ENGINE, TRAINER = engine("videollama2"), trainer("videollama2")
PARTS = {"llm": "a/mistral", "vision_tower": "b/clip-vit", "projector": "c/Base"}


def make_recipe(**changes: Any) -> Recipe:
    """A sound recipe, changed: `model__parts={}` replaces a key of a section."""
    content: dict[str, Any] = {
        "name": "tiny",
        "method": "sft",
        "tasks": ["demo"],
        "model": {"name": "VideoLLaMA2", "path": "x/y", "toolkit": "videollama2", "type": "MLLM", "parts": PARTS},
        "select": {"strategy": "last"},
        "train": {"batch_size": 16, "micro_batch_size": 2},
        "video": {"frames": 8},
        "resources": {"device": "cpu", "processes": 2},
    }
    for key, value in changes.items():
        *section, name = key.split("__")
        target = content.setdefault(section[0], {}) if section else content
        target[name] = value
    return Recipe.model_validate(content)


def problems(**changes: Any) -> str:
    recipe = make_recipe(**changes)
    return "\n".join((TRAINER if recipe.train else ENGINE).problems(recipe))


def flags_of(recipe: Recipe, device: str = "cpu", resume: str | None = None) -> tuple[list[str], dict[str, str]]:
    """What comes before VideoLLaMA2's flags, and these."""
    inputs = TrainInputs(model="x/y", data="../convert", device=device, resume=resume)
    argv = list(TRAINER.train(recipe, inputs).argv)
    begin = next(at for at, text in enumerate(argv) if text.endswith("videollama2/inside/train.py")) + 2
    return argv[:begin], dict(zip([name[2:] for name in argv[begin::2]], argv[begin + 1 :: 2], strict=True))


def test_a_sound_recipe_has_no_problems() -> None:
    assert problems() == ""
    assert problems(method="zero_shot", model__parts={}, select__strategy="best_eval") == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model__parts": {}}, "model.parts lacks llm, vision_tower, projector"),
        ({"model__parts": PARTS | {"tower": "x"}}, "model.parts.tower: VideoLLaMA2 knows of llm"),
        ({"model__parts": PARTS | {"llm": "/nowhere"}}, "model.parts.llm: there is no /nowhere"),
        ({"model__parts": PARTS | {"vision_tower": "x/vit"}}, "neither clip nor siglip"),
        ({"model__gpus": 2}, "answers on one GPU"),
        ({"model__template": "qwen"}, "`qwen` is unknown"),
        ({"model__attention": "flash_attention_2"}, "uv pip install --python"),
        ({"select__strategy": "best_eval"}, "never evaluates"),
        ({"prompt__system": "Be kind."}, "no system message"),
        ({"train__precision": "fp32"}, "bf16 or fp16"),
        ({"train__precision": "fp16"}, "cannot train in fp16 on a CPU"),
        ({"train__finetuning": "full"}, "fine-tuned with lora"),
        ({"train__lora": {"target": "q_proj"}}, "leave it `all`"),
        ({"video__frames": 64}, "takes 32 at most"),
        ({"train__extra": {"bits": 4}}, "bitsandbytes"),
        ({"train__extra": {"output_dir": "x"}}, "the orchestrator sets `output_dir` itself"),
        ({"train__extra": {"max_steps": 4}}, "own key train.max_steps"),
    ],
)
def test_problems(changes: dict[str, Any], said: str) -> None:
    assert said in problems(**changes)


def test_parts_that_lie_here(tmp_path: Path) -> None:
    assert "no mm_projector.bin" in problems(model__parts=PARTS | {"projector": str(tmp_path)})
    assert "no config.json" in problems(model__parts=PARTS | {"llm": str(tmp_path)})
    write_torch(tmp_path / "mm_projector.bin")
    write_safetensors(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    assert problems(model__parts=PARTS | {"projector": str(tmp_path), "llm": str(tmp_path)}) == ""
    (tmp_path / "mm_projector.bin").write_bytes(b"PK")
    for projector in (tmp_path, tmp_path / "mm_projector.bin"):
        said = problems(model__parts=PARTS | {"projector": str(projector)})
        assert said == f"model.parts.projector: mm_projector.bin ends too early ({projector}): get it again"
    write_safetensors(tmp_path / "model.safetensors", size=3)
    assert "model.parts.llm: model.safetensors ends too early" in problems(model__parts=PARTS | {"llm": str(tmp_path)})


def test_flags(tmp_path: Path) -> None:
    before, flags = flags_of(make_recipe(train__warmup_ratio=0.5, train__lora={"rank": 128, "alpha": 256}))
    assert before[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    assert before[-1] == "auto"
    expected = {
        "model_path": "a/mistral",
        "vision_tower": "b/clip-vit",
        "pretrain_mm_mlp_adapter": "c/Base",
        "data_path": "../convert/train.json",
        "gradient_accumulation_steps": "4",
        "lora_r": "128",
        "warmup_ratio": "0.5",
        "use_cpu": "True",
        "save_strategy": "epoch",
        "save_total_limit": "2",
    }
    assert {name: flags[name] for name in expected} == expected
    assert "deepspeed" not in flags
    # the projector goes on from where it was, which the trainer's own resume forgets
    _, flags = flags_of(make_recipe(), resume="output/checkpoint-8")
    assert flags["pretrain_mm_mlp_adapter"] == "output/checkpoint-8/non_lora_trainables.bin"
    changed = make_recipe(train__deepspeed="zero2", train__save_steps=5, train__extra={"mm_projector_lr": 2e-5})
    _, flags = flags_of(changed)
    assert flags["deepspeed"].endswith("third_party/videollama2/deepspeed/zero2.json")
    assert "use_cpu" not in flags
    assert (flags["save_strategy"], flags["save_steps"], flags["mm_projector_lr"]) == ("steps", "5", "2e-05")
    # choosing among checkpoints keeps them all
    assert "save_total_limit" not in flags_of(make_recipe(select__strategy="dev_accuracy"))[1]


def test_offline_only_where_everything_is_here(tmp_path: Path) -> None:
    for name in ("model", "llm", "clip"):
        (tmp_path / name).mkdir()
    (tmp_path / "model" / "config.json").write_text('{"mm_vision_tower": "openai/clip"}')
    config = {"device": "cpu"}
    hub_tower = make_recipe(method="zero_shot", model__path=str(tmp_path / "model"), model__parts={})
    assert "HF_HUB_OFFLINE" not in ENGINE.infer(hub_tower, config).env
    parts = {"vision_tower": str(tmp_path / "clip")}
    here = make_recipe(method="zero_shot", model__path=str(tmp_path / "model"), model__parts=parts)
    assert ENGINE.infer(here, config).env["HF_HUB_OFFLINE"] == "1"
    sft = make_recipe(model__path=str(tmp_path / "model"), model__parts=PARTS | parts)
    assert "HF_HUB_OFFLINE" not in ENGINE.infer(sft, config).env


def checkpoint(output: Path, step: int, last: int = 0, loss: float = 1.0) -> Path:
    """A complete checkpoint, and the state of a training that ended there."""
    folder = write_checkpoint(output, step, {"step": step, "loss": loss}, last=last, projector=True)
    shutil.copy(folder / "trainer_state.json", output)
    return folder


LOG = "***** Running training *****\n  Num examples = 1,200\n"


def test_success_is_more_than_an_exit_status(tmp_path: Path) -> None:
    output = tmp_path / "output"
    last = checkpoint(output, 20)
    assert TRAINER.train_problems(tmp_path, LOG, 1200) == []
    assert TRAINER.train_problems(tmp_path, LOG, 1201) == ["it trained on 1200 of 1201 samples"]
    assert TRAINER.train_problems(tmp_path, "", 1200) == ["its log does not say on how many samples it trained"]
    bad = "Encounted error when reading video /v/a b.mp4, use 3-th example instead!!!\n"
    said = TRAINER.train_problems(tmp_path, LOG + bad + bad, 1200)
    assert said == ["2 samples were replaced by others, the first because of /v/a b.mp4"]
    projector = last / "non_lora_trainables.bin"
    projector.write_bytes(projector.read_bytes()[:-30])  # killed while it was written
    said = TRAINER.train_problems(tmp_path, LOG, 1200)
    assert said == ["the checkpoint of its last step, 20, is not whole: non_lora_trainables.bin ends too early"]
    checkpoint(output, 20, loss=float("nan"))
    assert "the loss is no number from step 20" in TRAINER.train_problems(tmp_path, LOG, 1200)[0]
    checkpoint(output, 15, last=20)
    assert "it stopped at step 15 of 20" in TRAINER.train_problems(tmp_path, LOG, 1200)


def test_checkpoints_and_resuming(tmp_path: Path) -> None:
    output = tmp_path / "output"
    checkpoint(output, 10)
    (checkpoint(output, 20) / "adapter_model.safetensors").unlink()
    (output / "checkpoint-30").mkdir()  # killed while it was written: its state comes last
    (output / "checkpoint-30" / "training_args.bin").touch()
    assert [point.step for point in TRAINER.checkpoints(tmp_path)] == [10]
    assert TRAINER.resumable(tmp_path) == "output/checkpoint-10"
    # VideoLLaMA2 resumes from the highest number by itself, so nothing else may be left
    assert [path.name for path in output.glob("checkpoint-*")] == ["checkpoint-10"]
    (output / "checkpoint-10" / "adapter_config.json").unlink()
    assert TRAINER.resumable(tmp_path) is None
    assert not output.exists()


def test_progress_is_the_last_bar_of_the_training(tmp_path: Path) -> None:
    assert TRAINER.train_progress(tmp_path) is None
    log = tmp_path / "log.txt"
    log.write_text("Loading checkpoint shards: 100%|##########| 3/3 [00:04<00:00,  1.4s/it]\n")
    assert TRAINER.train_progress(tmp_path) is None
    bar = "\r  4%|4         | {}/250 [00:31<12:40,  3.11s/it]"
    text = "".join(map(bar.format, (9, 10))) + "\r    \r{'loss': 1.25, 'grad_norm': 0.1, 'epoch': 0.4}\n"
    log.write_text(log.read_text() + text + bar.format(10) + bar.format(11))
    assert TRAINER.train_progress(tmp_path) == Progress(11, 250, 1.25)


@given(st.lists(st.tuples(st.text(), st.none() | st.just("/v/clip.mp4")), max_size=4))
def test_any_text_gives_readable_json(rows: list[tuple[str, str | None]]) -> None:
    examples = [
        Example(Sample(str(at), "demo", "train", text, "question", video), text, "dialogue act: question")
        for at, (text, video) in enumerate(rows)
    ]
    for modality in ("video", "text"):
        file = io.StringIO()
        assert TRAINER.write_examples(examples, file, modality) == len(rows)
        for record, (text, video) in zip(json.loads(file.getvalue()), rows, strict=True):
            shown = video if modality == "video" else None
            asked = record["conversations"][0]["value"]
            assert asked == (f"<video>\n{neutralise(text)}" if shown else neutralise(text))
            assert asked.count("<video>") == bool(shown)
            assert record.get("video") == shown


def test_what_the_user_says() -> None:
    assert neutralise("<video> a<b <unk></s>") == "< video> a<b < unk>< /s>"
    assert infer.user_turn(" says <video> ", video=True) == "<video>\nsays < video>"
    assert infer.user_turn(" says <video> ", video=False) == " says < video> "


def test_projector_of_the_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mm_projector.bin").touch()
    assert launcher.local_projector(str(tmp_path)) == str(tmp_path / "mm_projector.bin")
    assert launcher.local_projector(str(tmp_path / "mm_projector.bin")) == str(tmp_path / "mm_projector.bin")
    hub = SimpleNamespace(hf_hub_download=lambda name, file, revision: f"{revision}/{name}/{file}")
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setenv("MMLA_HUB_PINS", "DAMO/Other=1,DAMO/Base=2")
    for value in ("DAMO/Base", "DAMO/Base/mm_projector.bin"):
        assert launcher.local_projector(value) == "2/DAMO/Base/mm_projector.bin"


def test_the_launcher_finds_overlong_samples() -> None:
    def preprocess(sources: Any, tokenizer: Any, modal_token: str | None) -> dict[str, Any]:
        assert modal_token == "<video>"
        return {"input_ids": [sources[0][0]["value"].split()]}

    turns = [[{"value": "word " * count}, {"value": "x"}] for count in (3, 30, 200)]
    rows = [{"id": f"r{at}", "video": "v", "conversations": turn} for at, turn in enumerate(turns)]
    data, tokenizer = SimpleNamespace(list_data_dict=rows), SimpleNamespace(model_max_length=100)
    assert launcher.overlong(SimpleNamespace(preprocess=preprocess), data, tokenizer) == ["r2 (200 tokens)"]


def test_an_unreadable_video_comes_out_of_the_toolkit() -> None:
    class Data:
        """As the toolkits' own: another sample in the place of one that fails."""

        def __getitem__(self, place: int) -> str:
            try:
                return str(module.process(["good", "bad"][place], 8))
            except Exception:
                return "another"

    def process(path: str, frames: int) -> str:
        if path == "bad":
            raise ValueError("cannot open")
        return f"{path} {frames}"

    module = SimpleNamespace(process=process, LazySupervisedDataset=Data)
    assert Data()[1] == "another"
    shared.end_at_bad_videos(module, "process")
    assert Data()[0] == "good 8"
    # a worker process of torch's DataLoader passes on nothing but an `Exception`
    with pytest.raises(RuntimeError, match="cannot read the video bad: cannot open"):
        Data()[1]


def with_states(output: Path, *steps: int) -> None:
    """Checkpoints as the trainer and DeepSpeed write them, one after the other."""
    for step in steps:
        folder = output / f"checkpoint-{step}"
        (folder / f"global_step{step}").mkdir(parents=True)
        for name in ("optimizer.pt", "scheduler.pt", f"global_step{step}/states.pt", "adapter_model.safetensors"):
            (folder / name).touch()
        os.utime(folder, (step, step))


def test_only_the_newest_two_keep_the_optimizers_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = SimpleNamespace(DEFAULT_CALLBACKS=[])
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(TrainerCallback=object, trainer=trainer))
    shared.keep_what_is_needed()
    (callback,) = (made() for made in trainer.DEFAULT_CALLBACKS)

    def save(name: str, *steps: int, main: bool = True) -> list[int]:
        """Those of these steps whose checkpoints have states after the last was saved; by the first process or not."""
        with_states(tmp_path / name, *steps)
        args = SimpleNamespace(output_dir=str(tmp_path / name), should_save=main)
        callback.on_save(args, SimpleNamespace(global_step=steps[-1], max_steps=110), None)
        folders = [tmp_path / name / f"checkpoint-{step}" for step in steps]
        assert all((folder / "adapter_model.safetensors").exists() for folder in folders)
        assert [folder.stat().st_mtime for folder in folders] == list(steps), "by which the trainer may tell the oldest"
        found = [[(folder / "optimizer.pt").exists(), any(folder.glob("global_step*"))] for folder in folders]
        assert all(first == second for first, second in found)
        return [step for step, (kept, _) in zip(steps, found, strict=True) if kept]

    assert save("other process", 10, 20, 30, main=False) == [10, 20, 30]
    assert save("one", 10) == [10]
    assert save("two", 10, 20) == [10, 20]
    assert save("more", 10, 90, 100, 110) == [100, 110]


@needs_mmla
def test_convert_says_what_the_release_says(tmp_path: Path) -> None:
    """Same utterances, videos, prompts and answers as the released VideoLLaMA2 file."""
    out = tmp_path / "train.json"
    clips, prompt = "/data/MMLA/MUStARD/video", "mmla/video+audio.j2"  # which says what was released
    convert_split(
        Conversion("MUStARD", "videollama2", "train", "video", "mmla", MMLA / "text", clips, prompt), str(out)
    )
    ours = json.loads(out.read_text())
    theirs = json.loads((MMLA / "released" / "videollama2_MUStARD_train.json").read_text())
    assert len(ours) == len(theirs)
    for mine, released in zip(ours, theirs, strict=True):
        assert mine["video"] == released["video"]
        assert [turn["value"] for turn in mine["conversations"]] == [
            turn["value"] for turn in released["conversations"]
        ]
