"""The parts on tiny models: each runs recipes of one toolkit, and says what it saw. `large` has those on 7B shapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.environments.environment import Environment
from orchestrator.environments.gpus import look
from orchestrator.machine.gpus import visible_gpus
from tests.gpu_check.kits import KITS, TASKS, Bench, Kit
from tests.gpu_check.measure import nvidia_smi
from tests.gpu_check.runs import Failed, Run, Skipped, killed_at, run, said, start, write
from tests.gpu_check.weights import difference

Part = Callable[[Kit, Bench], Iterator[tuple[str, str]]]
BATCHES = {"cuda": (1, 8, 64), "cpu": (1, 8)}
TABLE: dict[str, Part] = {}


def part(function: Part) -> Part:
    """Enter a part into the table. It yields what it sees as it goes: what, and how it is."""
    TABLE[function.__name__] = function
    return function


def folder(bench: Bench, kit: Kit, *names: str) -> Path:
    """Where a part's runs lie."""
    return bench.folder.joinpath("parts", kit.name, *names)


def of_inference(done: Run) -> Iterator[tuple[str, str]]:
    """Figures of a run's inference."""
    found = done.inference()
    yield "requests", f"{found['n']:.0f} in {found['seconds']:.0f} s, {found['rate']:.2f}/s once it is loaded"
    if "idle" in found:
        yield "GPU idle while answering", f"{found['idle']:.0f} %"
    yield "memory", done.seen.memory()


def of_training(done: Run) -> Iterator[tuple[str, str]]:
    """Figures of a run's training."""
    found = done.training()
    if "train_steps_per_second" in found:
        steps, samples = found["train_steps_per_second"], found.get("train_samples_per_second", 0)
        stage = f"{found.get('train_runtime', 0):.0f} s (stage {done.stage_seconds('train'):.0f} s)"
        yield "training", f"{steps:.2f} steps/s, {samples:.2f} samples/s over {stage}"
    else:
        yield "training", f"stage of {done.stage_seconds('train'):.0f} s; its log names no speed"
    if "train_loss" in found:
        yield "mean loss", f"{found['train_loss']:.3f}"
    if "idle" in found:
        yield "GPU idle while training", f"{found['idle']:.0f} %"
    yield "memory", done.seen.memory()


def equal(first: dict[str, str], second: dict[str, str]) -> str:
    """How answers to the same requests agree, in words."""
    if first.keys() != second.keys():
        raise Failed("the two runs answered other requests")
    unlike = [key for key in first if first[key] != second[key]]
    distinct = len(set(first.values()))
    return f"no: {len(unlike)} of {len(first)} differ" if unlike else f"yes, all {len(first)} ({distinct} distinct)"


@part
def environment(kit: Kit, bench: Bench) -> Iterator[tuple[str, str]]:
    """Its imports, and its torch on each GPU: `env check --gpu`."""
    held = Environment.load(kit.name)
    if problem := held.check():
        raise Failed(problem)
    found = look(held, cpu=bench.device == "cpu")
    yield "torch", found.about
    yield "toolkit", held.toolkit_version()
    for number, note in enumerate(found.notes, 1):
        yield f"note {number}", note
    if found.problems:
        raise Failed("\n".join(found.problems))


@part
def zero_shot(kit: Kit, bench: Bench) -> Iterator[tuple[str, str]]:
    """Two tasks in one load."""
    done = run(kit.recipe(bench, "zero_shot"), folder(bench, kit, "zero_shot"))
    yield "distinct answers", f"{len(set(done.answers().values()))}"
    yield from of_inference(done)


@part
def sft(kit: Kit, bench: Bench) -> Iterator[tuple[str, str]]:
    """LoRA in one process, then its answers."""
    done = run(kit.recipe(bench, "sft"), folder(bench, kit, "sft"))
    yield from of_training(done)
    yield "answered", f"{len(done.answers())} requests, {done.inference()['rate']:.2f}/s once it is loaded"


@part
def resume(kit: Kit, bench: Bench) -> Iterator[tuple[str, str]]:
    """kill -9 after the first checkpoint, then the same command; against a training that nobody disturbed."""
    recipe = kit.recipe(bench, "sft")
    calm = run(recipe, folder(bench, kit, "sft"))  # done already where the part `sft` was run before
    where = folder(bench, kit, "resume")
    killed_at(recipe, where, f"output/checkpoint-{bench.sizes.steps // 3}/trainer_state.json")
    again = run(recipe, where)
    outputs = json.loads((again.stage("train") / "stage.json").read_text())["outputs"]
    if not outputs["resumed_from"]:
        raise Failed(f"the training began anew:\n{said(where)}")
    yield "went on from", Path(outputs["resumed_from"]).name
    last = f"output/checkpoint-{bench.sizes.steps}"
    compared = difference(again.stage("train") / last, calm.stage("train") / last)
    yield "weights equal those of an undisturbed training", compared
    yield "answers, too", equal(again.answers(), calm.answers())


@part
def batches(kit: Kit, bench: Bench) -> Iterator[tuple[str, str]]:
    """The same requests in batches of several sizes, in one process."""
    base: dict[str, str] = {}
    alone = {"tasks": TASKS[:1], "resources": {"inference_processes": 1}}
    for size in BATCHES[bench.device]:
        recipe = kit.recipe(bench, "zero_shot", inference={"batch_size": size}, **alone)
        done = run(recipe, folder(bench, kit, "batches", str(size)))
        found, given = done.inference(), done.answers()
        idle = f", GPU idle {found['idle']:.0f} %" if "idle" in found else ""
        yield f"batch {size}", f"{found['rate']:.2f} requests/s{idle}, {done.seen.memory()}"
        if base:
            yield f"answers of batch {size} equal those one by one", equal(base, given)
        base = base or given


@part
def attention(kit: Kit, bench: Bench) -> Iterator[tuple[str, str]]:
    """PyTorch's own attention and the plain one, in inference."""
    given = {}
    for name in ("sdpa", "eager"):
        recipe = kit.recipe(bench, "zero_shot", model={"attention": name}, tasks=TASKS[:1])
        done = run(recipe, folder(bench, kit, "attention", name))
        given[name] = done.answers()
        yield name, f"{done.inference()['rate']:.2f} requests/s, {done.seen.memory()}"
    yield "answers equal", equal(given["sdpa"], given["eager"])


@part
def devices(kit: Kit, bench: Bench) -> Iterator[tuple[str, str]]:
    """A run uses the GPU that CUDA_VISIBLE_DEVICES names and no other; without one it is refused before it starts."""
    recipe = kit.recipe(bench, "zero_shot", resources={"device": "cuda"})
    where = folder(bench, kit, "devices", "none")
    process = start(write(recipe, where), env={"CUDA_VISIBLE_DEVICES": ""})
    if process.wait() != 2:
        raise Failed(f"a run without a GPU ended with status {process.returncode}, not 2:\n{said(where)}")
    yield "without a GPU", "refused before it starts"
    if bench.device == "cpu":
        return
    ids = dict(nvidia_smi("--query-gpu=index,uuid"))
    names = visible_gpus()
    for name in dict.fromkeys((names[-1], names[0], ids.get(names[-1], names[-1]))):
        env = {"CUDA_VISIBLE_DEVICES": name, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        done = run(recipe, folder(bench, kit, "devices", name), env=env)
        used = sorted(done.seen.used())
        wanted = ids.get(name, name)
        # a slice of a GPU (MIG) has an id of its own, which nvidia-smi does not list
        if used and wanted.startswith("GPU-") and not all(uuid.startswith(wanted) for uuid in used):
            raise Failed(f"CUDA_VISIBLE_DEVICES={name}, but {', '.join(used)} were used, not {wanted} alone")
        yield f"CUDA_VISIBLE_DEVICES={name}", f"used {', '.join(used) or 'too little memory to tell'}"


def _zero(stage: str) -> Part:
    def train(kit: Kit, bench: Bench) -> Iterator[tuple[str, str]]:
        if bench.device == "cpu" and stage not in kit.on_cpu:
            raise Skipped(f"{kit.name} with {stage} is for GPUs: it was never made to train so on a CPU")
        processes = 2 if bench.device == "cpu" else min(2, len(visible_gpus()))
        precision = kit.on_cpu[stage] if bench.device == "cpu" else "bf16"
        train = {"deepspeed": stage, "precision": precision}
        recipe = kit.recipe(bench, "sft", train=train, resources={"processes": processes})
        done = run(recipe, folder(bench, kit, stage))
        yield "processes", f"{processes}, in {precision}"
        yield from of_training(done)
        yield "answered", f"{len(done.answers())} requests"

    train.__name__, train.__doc__ = stage, f"DeepSpeed's {stage} with LoRA, on two GPUs where there are two."
    return train


for _stage in ("zero2", "zero3"):
    part(_zero(_stage))


def names() -> list[str]:
    """All of these parts, ``toolkit/part``: each for every toolkit before the next, so that a short time shows most."""
    return [f"{kit}/{name}" for name in TABLE for kit in KITS]
