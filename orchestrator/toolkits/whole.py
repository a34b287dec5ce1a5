"""Whether the files of a model or a checkpoint are whole, by their headers and ends: gigabytes are never read.

A power cut or a full disk leaves files that are empty or end too early, in folders that look complete.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

# of longer JSON only the end is looked at (a tokenizer has some 10 MB)
SMALL_JSON = 1 << 20
# the files of weights in torch's format; others of that suffix hold arguments and states
TORCH_WEIGHTS = ("pytorch_model", "adapter_model", "model.")
PROJECTORS = ("non_lora_trainables", "mm_projector")  # beside the weights
NO_STATES = "it keeps no optimizer's states"


def file_problem(path: Path) -> str:
    """What is wrong with a file, after its name: "model.safetensors is empty"; empty where nothing is."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            wrong = FORMATS.get(path.suffix, _any)(file, size) if size else "is empty"
    except FileNotFoundError:
        wrong = "is missing"
    except OSError as error:
        wrong = f"cannot be read ({error.strerror})"
    return wrong and f"{path.name} {wrong}"


def _safetensors(file: BinaryIO, size: int) -> str:
    """8 bytes with the length of a JSON header, the header, then the data that it lays out."""
    start = file.read(8)
    if start == b"version ":
        return "is a Git LFS pointer in place of the weights: `git lfs pull` fetches them"
    length = int.from_bytes(start, "little")
    if size < 8 + length:
        return "ends too early"
    try:
        header = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        whole = 8 + length + max(ends, default=0)
    except (ValueError, LookupError, TypeError, AttributeError):
        return "has a damaged header"
    if size < whole:
        return f"ends too early, after {size:,} of {whole:,} bytes"
    return "is longer than its header says" if size > whole else ""


def _torch(file: BinaryIO, _size: int) -> str:
    """A zip archive, whose table of contents is its end; before torch 1.6 a pickle, whose end says nothing."""
    start = file.read(8)
    if start == b"version ":
        return "is a Git LFS pointer in place of the weights: `git lfs pull` fetches them"
    if start.startswith(b"\x80"):
        return ""
    if not start.startswith(b"PK"):
        return "is no file of torch"
    try:
        with zipfile.ZipFile(file):
            return ""
    except (zipfile.BadZipFile, ValueError):
        return "ends too early"


def _any(_file: BinaryIO, _size: int) -> str:
    """Templates and tokenizers: just not empty."""
    return ""


def _json(file: BinaryIO, size: int) -> str:
    if size > SMALL_JSON:
        file.seek(-64, 2)
        return "" if file.read().rstrip().endswith((b"}", b"]")) else "ends too early"
    try:
        json.loads(file.read())
    except ValueError:
        return "is damaged"
    return ""


FORMATS: dict[str, Callable[[BinaryIO, int], str]] = {
    ".safetensors": _safetensors,
    **dict.fromkeys((".bin", ".pt", ".pth"), _torch),
    ".json": _json,
}


def _problems(paths: Iterable[Path]) -> list[str]:
    return [problem for path in sorted(paths) if (problem := file_problem(path))]


def weights_problems(folder: Path) -> list[str]:
    """What is missing or damaged of what a model or an adapter is loaded from: weights, configuration, tokenizer."""
    if not folder.is_dir():
        return [f"there is no folder {folder.name}"]
    safe = list(folder.glob("[!.]*.safetensors"))  # a Mac leaves notes on files, ._model.safetensors
    # transformers and peft take the safer format where there are both
    torch = [] if safe else [path for path in folder.glob("[!.]*.bin") if path.name.startswith(TORCH_WEIGHTS)]
    others = {path for path in folder.glob("[!.]*") if path.suffix in (".json", ".jinja", ".model")}
    others |= {path for path in folder.glob("*.bin") if path.name.startswith(PROJECTORS)}
    others.add(folder / ("adapter_config.json" if any(folder.glob("adapter_*")) else "config.json"))
    indexes = list(folder.glob(f"*.{'safetensors' if safe or not torch else 'bin'}.index.json"))
    shards = {folder / name for index in indexes for name in _shards(index)}
    found = _problems({*safe, *torch, *others, *shards})
    return found if safe or torch or shards else [*found, "it holds no weights"]


def missing(folder: Path, *names: str) -> list[str]:
    """Which of these files are not there."""
    return [f"{name} is missing" for name in names if not (folder / name).is_file()]


def _shards(index: Path) -> set[str]:
    try:
        return set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()  # that it is damaged is said of every JSON file


def states_problems(checkpoint: Path) -> list[str]:
    """What is missing or damaged of the states that a training goes on from: optimizer, scheduler, random numbers."""
    files = {path for path in checkpoint.iterdir() if path.suffix in (".pt", ".pth")}
    files |= set(checkpoint.glob("optimizer*.bin"))
    deepspeed = list(checkpoint.glob("global_step*"))
    if not deepspeed and not any(checkpoint.glob("optimizer*")):
        return [NO_STATES]
    if deepspeed:
        return _problems(files) + _deepspeed_problems(checkpoint)
    random = set() if any(checkpoint.glob("rng_state*.pth")) else {checkpoint / "rng_state.pth"}
    return _problems({*files, *random, checkpoint / "scheduler.pt"})


def _deepspeed_problems(checkpoint: Path) -> list[str]:
    """DeepSpeed's file `latest` names the folder of the states; each process has its part of the optimizer's there."""
    try:
        folder = checkpoint / (checkpoint / "latest").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ["DeepSpeed's file latest is missing or damaged"]
    parts = list(folder.glob("*.pt"))
    if folder == checkpoint or not any(part.name.endswith("model_states.pt") for part in parts):
        return ["DeepSpeed's states are missing"]
    # random numbers, weights and optimizer are each in one file, or in one of each process
    of_each = Counter(part.name.rpartition("_rank_")[2] for part in parts if "zero_pp_rank" in part.name)
    of_each["rng_state.pth"] = len(list(checkpoint.glob("rng_state*.pth")))
    most = max(of_each.values())
    return _problems(parts) + [f"{most - n} of {most} {name} are missing" for name, n in of_each.items() if n < most]
