"""Files that a power cut left empty or cut, and what of them is noticed without reading gigabytes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.toolkits.whole import NO_STATES, SMALL_JSON, file_problem, states_problems, weights_problems
from tests.checkpoints import STATES, write_checkpoint, write_safetensors, write_torch

HARM: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("harm", HARM)
def test_every_file_of_a_checkpoint(tmp_path: Path, harm: str) -> None:
    folder = write_checkpoint(tmp_path, 10, projector=True)
    assert weights_problems(folder) == states_problems(folder) == []
    for path in sorted(folder.iterdir()):
        good = path.read_bytes()
        path.write_bytes(HARM[harm](good))
        problems = weights_problems(folder) + states_problems(folder)
        assert [problem.split()[0] for problem in problems] == [path.name]
        assert (states_problems(folder) == problems) == (path.name in STATES), "inference needs no optimizer"
        path.write_bytes(good)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer"),
        (b"\x02\0\0\0\0\0\0\0{}", ""),
        (b"\x02\0\0\0\0\0\0\0{}more", "is longer than its header says"),
        (b"\x02\0\0\0\0\0\0\0[]", "has a damaged header"),
        (b'\x08\0\0\0\0\0\0\0{"a": 1}', "has a damaged header"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff{}", "ends too early"),
    ],
)
def test_odd_safetensors(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert said in file_problem(path)
    assert bool(said) == bool(file_problem(path))


def test_how_much_is_missing_is_said(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", size=7)
    size = (tmp_path / "model.safetensors").stat().st_size
    said = f"model.safetensors ends too early, after {size} of {size + 9} bytes"
    assert file_problem(tmp_path / "model.safetensors") == said


def test_formats_of_torch(tmp_path: Path) -> None:
    path = tmp_path / "optimizer.pt"
    path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")  # before torch 1.6: its end says nothing
    assert file_problem(path) == ""
    with zipfile.ZipFile(path, "w", allowZip64=True) as file:
        for number in range(1000):
            file.writestr(f"data/{number}", b"")
    assert file_problem(path) == ""
    path.write_text("an error page")
    assert file_problem(path) == "optimizer.pt is no file of torch"
    path.unlink()
    path.symlink_to(tmp_path / "nothing")
    assert file_problem(path) == "optimizer.pt is missing"
    assert file_problem(tmp_path).endswith("cannot be read (Is a directory)")


def test_of_long_json_only_the_end_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    text = json.dumps({"vocab": "x" * SMALL_JSON}) + "\n"
    path.write_text(text)
    assert file_problem(path) == ""
    path.write_text(text[:-10])
    assert file_problem(path) == "tokenizer.json ends too early"


def test_shards_that_the_index_names(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    names = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict(zip("abc", names, strict=True))}))
    for name in names[:2]:
        write_safetensors(tmp_path / name)
    assert weights_problems(tmp_path) == [f"{names[2]} is missing"]
    write_safetensors(tmp_path / names[2], 3)
    assert "ends too early" in weights_problems(tmp_path)[0]
    write_safetensors(tmp_path / names[2])
    assert weights_problems(tmp_path) == []
    index.write_text('{"weight_map": {"a": "model')
    assert weights_problems(tmp_path) == ["model.safetensors.index.json is damaged"]


def test_what_belongs_to_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    write_torch(tmp_path / "mm_projector.bin")
    assert weights_problems(tmp_path) == ["it holds no weights"]
    write_torch(tmp_path / "pytorch_model.bin")
    assert weights_problems(tmp_path) == []
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert weights_problems(tmp_path) == ["pytorch_model.bin is empty"]
    write_safetensors(tmp_path / "model.safetensors")
    for unused in ("training_args.bin", "optimizer.pt", "README.md", "__init__.py"):
        (tmp_path / unused).touch()
    assert weights_problems(tmp_path) == [], "the safer format is taken where there are both"
    (tmp_path / "tokenizer.model").touch()
    (tmp_path / "config.json").unlink()
    assert weights_problems(tmp_path) == ["config.json is missing", "tokenizer.model is empty"]
    (tmp_path / "adapter_model.safetensors").touch()
    assert "adapter_config.json is missing" in weights_problems(tmp_path)


def test_the_states_of_deepspeed(tmp_path: Path) -> None:
    ranks = ("rng_state_0.pth", "rng_state_1.pth")
    folder = write_checkpoint(tmp_path, 10, states=("scheduler.pt", *ranks))
    assert states_problems(folder) == [NO_STATES]
    states = folder / "global_step10"
    states.mkdir()
    latest = folder / "latest"
    assert states_problems(folder) == ["DeepSpeed's file latest is missing or damaged"]
    latest.write_text("global_step10")
    assert states_problems(folder) == ["DeepSpeed's states are missing"]
    write_torch(states / "mp_rank_00_model_states.pt")
    write_torch(states / "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt")
    assert states_problems(folder) == ["1 of 2 00_optim_states.pt are missing"]
    write_torch(states / "bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt")
    assert states_problems(folder) == []
    (folder / "rng_state_0.pth").rename(tmp_path / "rng_state_0.pth")
    assert states_problems(folder) == ["1 of 2 rng_state.pth are missing"]
    (tmp_path / "rng_state_0.pth").rename(folder / "rng_state_0.pth")
    for name in ("", "global_step20", "global_step1"):
        latest.write_text(name)
        assert states_problems(folder) == ["DeepSpeed's states are missing"]
    latest.write_text("global_step10")
    for path in states.iterdir():
        good = path.read_bytes()
        for harm in HARM.values():
            path.write_bytes(harm(good))
            assert [problem.split()[0] for problem in states_problems(folder)] == [path.name]
        path.write_bytes(good)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    assert weights_problems(tmp_path / "checkpoint-3") == ["there is no folder checkpoint-3"]


def test_notes_of_a_mac_on_files_are_none_of_them(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, 3)
    for name in ("._model.safetensors", "._config.json", "._tokenizer.model"):
        (folder / name).write_bytes(b"\0\x05\x16\x07")
    assert weights_problems(folder) == []
