"""Recipes of the published protocol, and data of our own for three of its tasks."""

from __future__ import annotations

from pathlib import Path

from orchestrator.benchmark.task import Task, tasks
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.registry import trainer
from tests.recipes import shipped, write_rows

TRAINING = ("llamafactory", "llava_next", "swift", "videollama2")
MM = "Based on the text, video, and audio content, what is the"
SAYS = "You are presented with a video in which the speaker says:"
LAYOUTS = {(name, kind): layout for name in TRAINING for kind, layout in trainer(name).layouts.items()}
QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def demo_split(root: Path, task: Task, split: str, videos: bool = True) -> None:
    """A split of our own making: every label once."""
    names = {f"{task.dataset}_{split}_{number}": label for number, label in enumerate(task.labels)}
    rows = [(name, f"{name}.mp4" if videos else "", f"I {label}, “you” 说.", label) for name, label in names.items()]
    write_rows(root / task.dataset / f"{split}.tsv", rows)


def three_tasks(root: Path) -> Path:
    """Every label of three tasks once in each split; their clips are not there."""
    for name in ("MIntRec", "AnnoMi-therapist", "Ch-sims"):
        for split in ("train", "dev", "test"):
            demo_split(root, tasks()[name], split)
    return root


def released_recipe(name: str, *overrides: str, protocol: str = "released") -> Recipe:
    return shipped(name, f"protocol={protocol}", *overrides)


def released_plan(name: str, data: Path, *overrides: str, protocol: str = "released") -> Plan:
    chosen = ("tasks=[MIntRec,AnnoMi-therapist,Ch-sims]", f"data.root={data}")
    return make_plan(released_recipe(name, *chosen, *overrides, protocol=protocol), Path("runs"))
