"""``data repair``: what was done, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from orchestrator.benchmark.task import OWN, tasks
from orchestrator.cli.table import json_text, tell
from orchestrator.data.forms import parse_columns
from orchestrator.data.repair import Repairs, clips_of, repair_videos
from orchestrator.errors import MOST_PROBLEMS, capped
from orchestrator.machine.meter import Meter
from orchestrator.recipe.sections import Data


def repair_data(
    data_root: Path | None, task_names: Sequence[str], video_root: str | None, columns: str | None,
    *, cache: Path, as_json: bool,
) -> int:  # fmt: skip
    """Repair the clips of some tasks, and print what was done; 0 where all of them can be used then, else 1.

    Args:
        data_root: the folder with the data sets.
        task_names: the tasks; none means all of the benchmark and the folder's own.
        video_root: where the videos lie.
        columns: how the data's columns are called, as ``--columns`` has it.
        cache: the file that remembers what was found in which videos.
        as_json: print JSON, for programs.

    Raises:
        InputError: an unknown task, or no data at all; or PyAV is absent.
    """
    root, videos = data_root or Path(Data().root), video_root or Data().video_root
    known = tasks(root)
    chosen = list(map(known.named, dict.fromkeys(task_names))) if task_names else [
        *known.of("mmla").values(), *(task for task in known.values() if task.benchmark == OWN)
    ]  # fmt: skip
    clips = clips_of(root, chosen, videos, parse_columns(columns, root))
    with Meter("videos checked") as checked, Meter("videos repaired") as repaired:
        done = repair_videos(clips, cache, checked, repaired)
    if as_json:
        tell(json_text(asdict(done)))
    else:
        _print(done)
    return 1 if done.problems else 0


def _print(done: Repairs) -> None:
    for one in done.repaired[:MOST_PROBLEMS]:
        about = f"{one.frames:,} frames, {one.rate:g} a second, {one.size[0]} x {one.size[1]}"
        tell(f"{one.clip}\n  {one.why}\n  -> {one.copy}: {about}")
    if (more := len(done.repaired) - MOST_PROBLEMS) > 0:
        tell(f"and {more:,} more; --json names all")
    if done.problems:
        tell("\nnot repaired:", *(f"  {line}" for line in capped(done.problems, what="like these")), sep="\n")
        tell("  data.on_bad_video says what a run does with these: fail, skip or text_only")
    sound = done.clips - len(done.repaired) - len(done.problems)
    counts = f"{len(done.repaired):,} repaired, {sound:,} were sound, {len(done.problems):,} cannot be repaired"
    tell(f"\n{done.clips:,} videos: {counts}")
