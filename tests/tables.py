"""Data sets of a few rows, and plans over them."""

from __future__ import annotations

from pathlib import Path

from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.recipe.load import load_recipe
from tests.media import write_video
from tests.recipes import write_rows

# a recipe that reads videos
MLLM = "method: {}\nmodel: tiny_qwen2_vl\ntasks: [demo]\n"
GOOD, EMPTY, MISSING = ("good", "empty", "missing")


def table(root: Path, name: str, split: str, *rows: tuple[str, str, str]) -> None:
    write_rows(root / name / f"{split}.tsv", ((ident, f"{ident}.mp4", text, label) for ident, text, label in rows))


def plan_of_text(folder: Path, text: str, root: Path, *overrides: str) -> Plan:
    path = folder / "tiny.yaml"
    path.write_text(f"description: a test\n{text}")
    recipe = load_recipe(path, [f"data.root={root}", "resources.device=cpu", *overrides])
    return make_plan(recipe, folder / "runs")


def with_bad_videos(root: Path) -> Path:
    """Demo, with one good video in each split, one that is empty and one that is missing."""
    for split in ("train", "dev", "test"):
        table(root, "Demo", split, *((f"{split}_{name}", "Is it?", "question") for name in (GOOD, EMPTY, MISSING)))
        (root / "Demo" / "video").mkdir(exist_ok=True)
        write_video(root / "Demo" / "video" / f"{split}_{GOOD}.mp4")
        (root / "Demo" / "video" / f"{split}_{EMPTY}.mp4").touch()
    return root


def with_leaks(root: Path) -> Path:
    """MELD and MELD-DA, which label the same utterances: some of one's test stand in the other's training."""
    table(root, "MELD", "train", ("MELD_0_1", "Hi", "joy"), ("MELD_0_2", "Hi", "joy"), ("MELD_0_3", "No", "anger"))
    table(root, "MELD", "test", ("MELD_9_1", "hi", "joy"), ("MELD_9_2", "Ho", "fear"))
    table(root, "MELD-DA", "train", ("MELD-DA_0_3", "No", "answer"))
    table(root, "MELD-DA", "test", ("MELD-DA_0_1", "Hi", "greeting"), ("MELD-DA_8_8", "No", "answer"))
    return root
