"""The parts on random weights in the shape of published 7B models: the way of the benchmark's release, and ours.

The release answers one request at a time, and loads the model anew for every task; a recipe here loads it once, and
answers in batches. Both are run here, on the same runner: what is compared are the two ways, not two programs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from orchestrator.benchmark.task import benchmark_tasks, tasks
from orchestrator.environments.environment import Environment
from orchestrator.machine.checkout import PROMPTS
from tests.gpu_check.kits import Bench
from tests.gpu_check.parts import equal, of_training
from tests.gpu_check.runs import Failed, Run, environment, run
from tests.media import write_video
from tests.recipes import write_rows
from tests.toolkits.inside import argv_of

HERE = Path(__file__).resolve().parent
SHAPES: dict[str, dict[str, Any]] = dict(yaml.safe_load((HERE / "shapes.yaml").read_text()).items())
PROGRAMS = {"llamafactory": "random_qwen2.py", "llava_next": "random_llava.py"}
TASKS = ("MIntRec", "MELD", "MUStARD")
CLIPS = 12  # files; samples share them
NEW_TOKENS = 10  # what the benchmark's answers are long; random weights never end one by themselves
Part = Callable[[Bench], Iterator[tuple[str, str]]]


def data(bench: Bench) -> Path:
    """Utterances of three of the benchmark's tasks, with their true labels, and clips of three seconds."""
    root = bench.folder / "large_data"
    if (root / "made").exists():
        return root
    rows, size = ((48, 8, 48), (640, 360)) if bench.device == "cuda" else ((4, 2, 4), (96, 64))
    for name in TASKS:
        task = tasks()[name]
        (root / task.folders[0] / "video").mkdir(parents=True, exist_ok=True)
        for number in range(CLIPS):
            clip = root / task.folders[0] / "video" / f"clip_{number}.mp4"
            write_video(clip, number, frames=30, codec="libx264", size=size)
        for split, count in zip(("train", "dev", "test"), rows, strict=True):
            write_rows(root / task.folders[0] / f"{split}.tsv", [
                (f"{split}_{number}", f"clip_{number % CLIPS}.mp4",
                 f"Well, this is utterance {number} of them{', and more of it' * (number % 5)}.",
                 task.labels[number % len(task.labels)]) for number in range(count)
            ])  # fmt: skip
    (root / "made").touch()
    return root


def merged(config: dict[str, Any], small: dict[str, Any]) -> dict[str, Any]:
    """A configuration with smaller numbers."""
    return {key: merged(value, small[key]) if isinstance(value, dict) and key in small else small.get(key, value)
            for key, value in {**small, **config}.items()}  # fmt: skip


def made(name: str, bench: Bench) -> dict[str, Any]:
    """What ``model`` of a recipe says of the random model, which is made where it is not there; others are removed.

    Raises:
        Failed: it could not be made.
    """
    shape, above = SHAPES[name], bench.folder / "large"
    folder, stand_in = above / name, bench.device == "cpu"
    if not (folder / "made").exists():
        shutil.rmtree(above, ignore_errors=True)  # 16 GB each
        config, texts = _described(shape, folder, stand_in)
        python, program = Environment.load(shape["toolkit"]).python, HERE / PROGRAMS[shape["toolkit"]]
        argv = argv_of(python, program, folder / "model", config, texts, bench.device)
        done = subprocess.run(argv, env=environment({}), capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"the random model could not be made:\n{done.stderr[-3000:]}")
        (folder / "made").touch()
    known = {key: shape[key] for key in ("toolkit", "template", "type")}
    title = f"{shape['title']} (stand-in)" if stand_in else shape["title"]
    return known | {"name": title, "path": str(folder / "model"), "params_b": 0.01 if stand_in else shape["params_b"]}


def _described(shape: dict[str, Any], folder: Path, stand_in: bool) -> tuple[Path, Path]:
    """The files that say what the model is, and what its tokenizer learns from."""
    folder.mkdir(parents=True)
    config = merged(shape["config"], shape["small"]) if stand_in else shape["config"]
    if "tower" in shape:
        config = {**config, "tower": shape["small_tower" if stand_in else "tower"]}
    (folder / "config.json").write_text(json.dumps(config))
    # words of the prompts become tokens, so that a prompt is about as long as with the published vocabulary
    texts = [f"{task.word}: [{', '.join(task.labels)}]" for task in benchmark_tasks("mmla").values()]
    for name in ("text", "video"):
        texts += (PROMPTS / "mmla" / f"{name}.j2").read_text().splitlines() * 3
    (folder / "corpus.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    return folder / "config.json", folder / "corpus.jsonl"


def recipe(name: str, bench: Bench, method: str = "zero_shot", **more: Any) -> dict[str, Any]:
    """A recipe for it, as the shipped ones for its model."""
    found: dict[str, Any] = {
        "method": method,
        "model": made(name, bench),
        "tasks": list(TASKS),
        "data": {"root": str(data(bench))},
        "video": {"frames": 4, "max_pixels": 151200 if bench.device == "cuda" else 3136},
        "inference": {"batch_size": SHAPES[name]["batch"], "max_new_tokens": NEW_TOKENS, "precision": "bf16"},
        "resources": {"device": bench.device},
    }
    return found | more


def folder_of(name: str, part: str, bench: Bench) -> Path:
    """Where a part's runs lie."""
    return bench.folder / "parts" / SHAPES[name]["toolkit"] / part


def asked(name: str, bench: Bench, where: Path, batch: int, tasks_: list[str]) -> Run:
    """The tests of some tasks, answered in one process."""
    changes = {"tasks": tasks_, "resources": {"device": bench.device, "inference_processes": 1}}
    made_ = recipe(name, bench, **changes)
    made_["inference"]["batch_size"] = batch
    return run(made_, where)


def _ways(name: str) -> Part:
    def compare(bench: Bench) -> Iterator[tuple[str, str]]:
        size, where = SHAPES[name]["batch"], folder_of(name, name, bench)
        if bench.device == "cpu":
            yield "model", f"a stand-in of few parameters, not {SHAPES[name]['title']}"
        singly: dict[str, str] = {}
        requests = loading = answering = 0.0
        for task in TASKS:
            done = asked(name, bench, where / task, 1, [task])
            found = done.inference()
            singly |= done.answers()
            requests, answering = requests + found["n"], answering + found["answering"]
            loading += found["seconds"] - found["answering"]
        yield "one by one, a load per task", _rates(requests, len(TASKS), loading, answering)
        done = asked(name, bench, where / "ours", size, list(TASKS))
        found = done.inference()
        load = found["seconds"] - found["answering"]
        yield f"batches of {size}, one load", _rates(found["n"], 1, load, found["answering"])
        if "idle" in found:
            yield "GPU idle while answering in batches", f"{found['idle']:.0f} %"
        yield "memory", done.seen.memory()
        yield "answers equal", equal(singly, done.answers())
        if bench.device == "cuda":  # of a stand-in it would say nothing
            each = loading / len(TASKS), answering / requests
            yield "computed from these", projected(each, (load, found["answering"] / found["n"]))

    compare.__doc__ = f"{SHAPES[name]['title']}: the release's way and ours."
    return compare


def projected(theirs: tuple[float, float], ours: tuple[float, float]) -> str:
    """What the whole benchmark's tests would take in both ways, from the seconds of a load and of a request in each."""
    found = benchmark_tasks("mmla").values()
    requests = sum(task.sizes["test"] for task in found)
    slow, fast = len(found) * theirs[0] + requests * theirs[1], ours[0] + requests * ours[1]
    times = f"{slow / 3600:.2f} h one by one, {fast / 3600:.2f} h in batches: {slow / fast:.1f} times as fast"
    return f"all {requests:,} test requests of the {len(found)} tasks would take {times}"


def _rates(requests: float, loads: int, loading: float, answering: float) -> str:
    return (
        f"{requests / (loading + answering):.2f} requests/s, counting {loading:.0f} s for {loads} "
        f"{'loads' if loads > 1 else 'load'}; {requests / answering:.2f}/s without"
    )


def _batches(name: str) -> Part:
    def grow(bench: Bench) -> Iterator[tuple[str, str]]:
        base: dict[str, str] = {}
        for size in sorted({8, SHAPES[name]["batch"], 64} if bench.device == "cuda" else {2, 8}):
            where = folder_of(name, f"{name}_batches", bench) / str(size)
            done = asked(name, bench, where, size, list(TASKS))
            found, given = done.inference(), done.answers()
            idle = f", GPU idle {found['idle']:.0f} %" if "idle" in found else ""
            yield f"batch {size}", f"{found['rate']:.2f} requests/s{idle}, {done.seen.memory()}"
            if base:
                yield f"answers of batch {size} equal those of the smallest", equal(base, given)
            base = base or given

    grow.__doc__ = f"{SHAPES[name]['title']}: larger batches."
    return grow


def _sft(name: str) -> Part:
    def train(bench: Bench) -> Iterator[tuple[str, str]]:
        settings = {
            "batch_size": 16 if bench.device == "cuda" else 2, "micro_batch_size": 2 if bench.device == "cuda" else 1,
            "max_steps": 8 if bench.device == "cuda" else 2, "max_length": 2048, "precision": "bf16",
            "lora": {"rank": 16, "alpha": 32},
        }  # fmt: skip
        task = TASKS[1]
        changes = {"tasks": [task], "train": settings, "select": {"strategy": "last"}}
        only = [word for stage in ("convert", "train") for word in ("--only", f"{task}/{stage}")]
        done = run(recipe(name, bench, "sft", **changes), folder_of(name, f"{name}_sft", bench), *only)
        yield from of_training(done)

    train.__doc__ = f"{SHAPES[name]['title']}: LoRA in one process."
    return train


TABLE: dict[str, Part] = {}
for _name in SHAPES:
    TABLE |= {_name: _ways(_name), f"{_name}_batches": _batches(_name), f"{_name}_sft": _sft(_name)}


def names() -> list[str]:
    """All of these parts, ``toolkit/part``."""
    return [f"{shape['toolkit']}/{name}{end}" for name, shape in SHAPES.items() for end in ("", "_batches", "_sft")]
