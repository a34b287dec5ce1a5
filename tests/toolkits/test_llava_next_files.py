"""What the LLaVA-NeXT module writes and reads, without LLaVA-NeXT; tests/toolkits runs the real one."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.data.samples import Sample
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Progress, TrainInputs
from orchestrator.toolkits.llava_next.inside import train as launcher
from orchestrator.toolkits.llava_next.inside.model import find_model, neutralise, video_tokens
from orchestrator.toolkits.registry import engine, trainer
from tests.checkpoints import write_checkpoint

TRAINER = trainer("llava_next")
BEGUN = "training from scratch\nLoaded 16 samples from ../convert/train.json\n"


def recipe(**changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "name": "llava",
        "method": "sft",
        "model": {"name": "LLaVA", "path": "lmms-lab/LLaVA-Video-7B-Qwen2", "toolkit": "llava_next", "type": "MLLM"},
        "tasks": ["demo"],
        "train": {"max_length": 2048},
        "select": {"strategy": "last"},
    }
    for key, value in changes.items():
        content[key] = content.get(key, {}) | value if isinstance(value, dict) else value
    return Recipe.model_validate(content)


def checkpoint(folder: Path, step: int, last: int, *, loss: float = 1.0) -> Path:
    path = write_checkpoint(folder / "output", step, {"step": step, "loss": loss}, last=last, projector=True)
    shutil.copy(path / "trainer_state.json", folder / "output")
    return path


def test_a_recipe_that_it_can_do() -> None:
    assert TRAINER.problems(recipe()) == []
    assert engine("llava_next").problems(recipe(method="zero_shot", prompt={"system": "Answer in one word."})) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"select": {"strategy": "best_eval"}}, "write last, or dev_accuracy"),
        ({"train": {"max_length": 1024}}, "raise it to 1096"),
        ({"train": {"precision": "fp32"}}, "write bf16"),
        ({"train": {"precision": "fp16"}}, "with DeepSpeed only"),
        ({"train": {"lora": {"target": "q_proj"}}}, "train.lora.target"),
        ({"train": {"extra": {"mm_tunable_parts": "mm_language_model"}}}, "train.extra.mm_tunable_parts"),
        ({"train": {"extra": {"mm_newline_position": "frame"}}}, "the checkpoint's own configuration decides it"),
        ({"train": {"extra": {"lora_r": 4}}}, "use the recipe's own key"),
        ({"prompt": {"system": "You are a pirate."}}, "put the text into prompt.template"),
        ({"model": {"template": "llava_llama_3"}}, "model.template"),
        ({"model": {"parts": {"tower": "x/y"}}}, "model.parts.tower: LLaVA-NeXT knows of vision_tower only"),
        ({"model": {"parts": {"vision_tower": "./nowhere"}}}, "model.parts.vision_tower: there is no nowhere"),
        ({"resources": {"processes": 2}}, "write zero2"),
    ],
)
def test_what_it_cannot_do_is_said(change: dict[str, Any], said: str) -> None:
    (problem,) = TRAINER.problems(recipe(**change))
    assert said in problem


def test_the_token_budget_follows_the_checkpoint(tmp_path: Path) -> None:
    config = {"mm_patch_merge_type": "spatial_unpad", "mm_newline_position": "one_token", "mm_vision_tower": "t"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (problem,) = TRAINER.problems(recipe(model={"path": str(tmp_path)}, train={"max_length": 1024}))
    assert "4 frames are up to 785 tokens" in problem


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({}, 784),
        ({"mm_patch_merge_type": "spatial_unpad", "mm_newline_position": "grid"}, 840),
        ({"mm_patch_merge_type": "spatial_unpad", "mm_newline_position": "frame"}, 788),
        ({"mm_patch_merge_type": "spatial_unpad", "mm_newline_position": "one_token"}, 785),
        ({"mm_patch_merge_type": "spatial_unpad", "mm_newline_position": "no_token"}, 784),
        ({"mm_patch_merge_type": "spatial", "mm_newline_position": "one_token"}, 784),
        (
            {
                "mm_patch_merge_type": "spatial_unpad",
                "mm_newline_position": "grid",
                "mm_spatial_pool_mode": "average",
            },
            728,
        ),
    ],
)
def test_tokens_of_four_frames(settings: dict[str, Any], tokens: int) -> None:
    assert video_tokens(settings, 4) == tokens


def test_the_training_command() -> None:
    trained = recipe(
        train={"batch_size": 16, "micro_batch_size": 2, "deepspeed": "zero2", "extra": {"freeze_mm_mlp_adapter": True}},
        resources={"processes": 4},
        model={"revision": "abc", "parts": {"vision_tower": "google/siglip-so400m-patch14-384"}},
    )
    command = TRAINER.train(trained, TrainInputs(model="hub/LLaVA-Qwen2", data="../convert-1", device="cuda"))
    words = command.argv
    program = next(at for at, word in enumerate(words) if word.endswith("llava_next/inside/train.py"))
    given = dict(zip(words[program + 1 :: 2], words[program + 2 :: 2], strict=True))
    assert "--nproc_per_node=4" in words
    assert not any("num_gpus" in word for word in words), "it would override CUDA_VISIBLE_DEVICES"
    assert given["--data_path"] == "../convert-1/train.json"
    assert (given["--frames_upbound"], given["--force_sample"]) == ("4", "True")
    assert given["--gradient_accumulation_steps"] == "2"
    assert given["--model_revision"] == "abc"
    assert given["--vision_tower"] == "google/siglip-so400m-patch14-384"
    assert given["--freeze_mm_mlp_adapter"] == "True"
    assert given["--deepspeed"].endswith("llava_next/deepspeed/zero2.json")
    assert "--use_cpu" not in given
    alone = TRAINER.train(recipe(), TrainInputs(model="/models/x", data="../convert-1", device="cpu"))
    assert "torch.distributed.run" not in alone.argv
    assert alone.argv[alone.argv.index("--use_cpu") + 1] == "True"


@given(st.lists(st.tuples(st.text(), st.none() | st.just("/v/clip.mp4")), max_size=4))
def test_any_text_gives_readable_json(rows: list[tuple[str, str | None]]) -> None:
    examples = [
        Example(Sample(str(at), "demo", "train", text, "question", video), text, "dialogue act: question")
        for at, (text, video) in enumerate(rows)
    ]
    file = io.StringIO()
    assert TRAINER.write_examples(examples, file, "video") == len(rows)
    for record, (text, video) in zip(json.loads(file.getvalue()), rows, strict=True):
        asked = record["conversations"][0]["value"]
        assert asked.count("<image>") == (video is not None)
        assert asked.removeprefix("<image>\n" if video else "") == neutralise(text)
        # the released files say `images`, which LLaVA-NeXT does not read
        assert record.get("video") == video
        assert record.keys() <= {"id", "conversations", "video"}


def test_media_tokens_in_an_utterance() -> None:
    assert neutralise("<image> <|im_end|> <b> <images> < image>") == "< image> < |im_end|> <b> <images> < image>"


def test_only_loadable_checkpoints_count(tmp_path: Path) -> None:
    for step in (4, 8, 12):
        checkpoint(tmp_path, step, 16)
    (tmp_path / "output" / "checkpoint-8" / "non_lora_trainables.bin").unlink()  # as LLaVA-NeXT itself leaves it
    (tmp_path / "output" / "checkpoint-12" / "trainer_state.json").unlink()  # killed while it was written
    assert [found.step for found in TRAINER.checkpoints(tmp_path)] == [4]
    assert TRAINER.resumable(tmp_path) == "output/checkpoint-4"
    assert sorted(path.name for path in (tmp_path / "output").glob("checkpoint-*")) == ["checkpoint-4"]


def test_success_is_more_than_an_exit_status(tmp_path: Path) -> None:
    assert TRAINER.train_problems(tmp_path, "", 16) == [
        "it wrote no trainer_state.json",
        "its log does not say on how many samples it trained",
    ]
    last = checkpoint(tmp_path, 16, 16)
    assert TRAINER.train_problems(tmp_path, BEGUN, 16) == []
    assert TRAINER.train_problems(tmp_path, BEGUN, 17) == ["it trained on 16 of 17 samples"]
    (last / "adapter_model.safetensors").unlink()
    assert "step, 16, is not whole: it holds no weights" in TRAINER.train_problems(tmp_path, BEGUN, 16)[0]


def test_a_replaced_sample_fails_the_training_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    bad = "Error: cannot\nFailed to read video file: /v/a b.mp4\n"
    checkpoint(tmp_path, 16, 16)
    log = tmp_path / "log.txt"
    # what a first part replaced is not forgotten when a second goes on from its checkpoint
    log.write_text(f"{BEGUN}{bad}going on from output/checkpoint-4\nLoaded 16 samples from x\n")
    (problem,) = TRAINER.train_problems(tmp_path, "Loaded 16 samples from x\n", 16)
    assert "videos of 1 samples" in problem
    assert "/v/a b.mp4" in problem
    assert TRAINER.resumable(tmp_path) is None
    assert not (tmp_path / "output").exists()
    # and the repaired run is not blamed for it
    checkpoint(tmp_path, 16, 16)
    log.write_text(log.read_text() + BEGUN)
    assert TRAINER.train_problems(tmp_path, BEGUN, 16) == []
    assert TRAINER.resumable(tmp_path) == "output/checkpoint-16"
    # a sample that failed once and was read the second time was not replaced
    log.write_text(f"{BEGUN}[Try #0] Failed to fetch sample 3. Exception: x\n")
    assert TRAINER.train_problems(tmp_path, "", 16) == []
    log.write_text(f"{BEGUN}[Try #2] Failed to fetch sample 3. Exception: x\n")
    assert "sample 3" in TRAINER.train_problems(tmp_path, "", 16)[0]


def test_progress_is_the_newest_bar(tmp_path: Path) -> None:
    assert TRAINER.train_progress(tmp_path) is None
    log = tmp_path / "log.txt"
    log.write_text("Loading checkpoint shards: 100%|██████| 4/4 [00:01<00:00]\n")
    assert TRAINER.train_progress(tmp_path) is None, "loading is not training"
    bars = (
        "\r 10%|█   | 4/40 [00:06<00:54]\r              {'loss': 1.25, 'grad_norm': 0.1}\r 12%|█   | 5/40 [00:07<00:50]"
    )
    log.write_text(log.read_text() + bars)
    assert TRAINER.train_progress(tmp_path) == Progress(5, 40, 1.25)
    log.write_text(log.read_text() + "\r  {'loss': nan}")
    now = TRAINER.train_progress(tmp_path)
    assert now
    assert now.done == 5


def test_the_base_that_training_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with `qwen` and nothing that means another class, a model_type that LLaVA-NeXT knows, no copies."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "yi-llama"
    source.mkdir()
    (source / "model.safetensors").write_text("weights")
    config = {"model_type": "llava", "mm_vision_tower": str(tmp_path), "mm_newline_position": "grid"}
    (source / "config.json").write_text(json.dumps(config))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    found, settings = find_model(str(source), None, None)
    for _ in range(2):  # again, as after a kill
        base = Path(launcher.link_base(found, settings))
    assert base == Path("base_qwen_0")
    assert (base / "model.safetensors").read_text() == "weights"
    assert (base / "model.safetensors").is_symlink()
    assert json.loads((base / "config.json").read_text()) == config | {"model_type": "llava_qwen"}
    words = launcher.flags(settings)
    assert words[words.index("--mm_newline_position") + 1] == "grid"
    assert words[words.index("--mm_spatial_pool_stride") + 1] == "2"
    assert "None" not in words


def test_a_training_at_its_last_step_is_through(tmp_path: Path) -> None:
    checkpoint(tmp_path, 8, 16)
    last = checkpoint(tmp_path, 16, 16)
    assert launcher.newest_checkpoint(tmp_path / "output") == last
    assert launcher.is_through(last)
    assert not launcher.is_through(tmp_path / "output" / "checkpoint-8")
    assert launcher.newest_checkpoint(tmp_path / "nothing") is None
