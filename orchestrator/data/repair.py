"""``data repair``: sound copies of clips that not every toolkit reads right, beside these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.benchmark.task import SPLITS, Task
from orchestrator.data.archives import ensure_videos
from orchestrator.data.clips.copies import FOLDER, copy_of, original_of
from orchestrator.data.clips.pool import in_parallel, seconds_for
from orchestrator.data.forms import VIDEO_ROOT, ColumnNames
from orchestrator.data.roots import has_data, no_data
from orchestrator.data.samples import has_clips, scan_split, split_file
from orchestrator.data.videos import check_videos, cores, unfinished
from orchestrator.errors import InputError, Problem
from orchestrator.machine.meter import Count, Meter

UNWRITTEN = (
    "of a folder that cannot be written make a tree of links, see docs/clips.md; else mend the clip by other means"
)
TIMES_AS_LONG = 3  # as looking: it is decoded twice, encoded, and the copy decoded


@dataclass(frozen=True, slots=True)
class Repaired:
    """A copy that was written.

    Attributes:
        clip: the path of the original, which stays as it is.
        copy: the path of the copy.
        why: what of the original some toolkit does not read right.
        frames: how many the copy has.
        rate: frames a second, of all of it.
        size: width and height of its pictures in pixels.
    """

    clip: str
    copy: str
    why: str
    frames: int
    rate: float
    size: tuple[int, int]


@dataclass
class Repairs:
    """What was done: of how many clips, which copies were written, and what is still wrong."""

    clips: int = 0
    repaired: list[Repaired] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def clips_of(root: Path, chosen: Sequence[Task], video_root: str, columns: ColumnNames = None) -> list[str]:
    """The clips that the rows of some tasks name, each once; published archives are unpacked first.

    Raises:
        InputError: there is no data for any of the tasks, or an archive is not safe to unpack.
    """
    if (absent := no_data(chosen, root)) and not any(has_data(task, root) for task in chosen):
        raise InputError(absent)
    found: dict[str, None] = {}
    for task in (task for task in chosen if has_data(task, root)):
        if video_root == VIDEO_ROOT:
            with Meter(f"unpacking the videos of {task.name} (bytes)") as meter:
                ensure_videos(task, root, meter)
        clips = [
            sample.video
            for split in SPLITS
            if split_file(task, split, root)
            for sample in scan_split(task, split, root, video_root, columns=columns).samples
            if sample.video
        ]
        if has_clips(task, clips):
            found |= dict.fromkeys(clips)
    return list(found)


def repair_videos(
    clips: Iterable[str], cache: Path | None = None, checked: Count | None = None, repaired: Count | None = None
) -> Repairs:
    """Write copies of the clips that can be repaired; each is looked at as any other clip before it is kept.

    Args:
        clips: their paths.
        cache: as of `check_videos`.
        checked: told how many clips are looked at, and of how many.
        repaired: told how many copies are written, and of how many.

    Raises:
        InputError: PyAV is absent.
        OSError: memory, or what else a process may have of the machine, ran out; MemoryError likewise.
    """
    clips = list(dict.fromkeys(clips))
    findings = check_videos(clips, cache, progress=checked)
    copies = [clip for clip in clips if original_of(clip) != clip]
    mute = [one for one in check_videos(copies, cache, modality="audio") if one.repairable]
    lost = [finding.problem for finding in findings if not (finding.repairable or finding.alone)]
    done = Repairs(len(clips), problems=lost)
    why = {one.problem.where: one.problem.message for one in [*mute, *findings] if one.repairable}
    # a copy that is found wanting, by a newer check, is made anew
    why = {original_of(clip): message for clip, message in why.items()}
    asked = [_question(clip) for clip in why]

    def take(one: dict[str, Any], found: dict[str, Any]) -> None:
        clip, copy = one["clip"], Path(one["copy"])
        if made := found.get("repaired"):
            done.repaired.append(Repaired(clip, str(copy), why[clip], made["frames"], made["rate"], (*made["size"],)))
            _remove_older(clip, copy)
        else:
            done.problems.append(Problem(f"not repaired: {unfinished(found)}", clip, UNWRITTEN))
        if repaired:
            repaired(len(done.repaired), len(asked))

    in_parallel(asked, cores(), take)
    order = {original_of(clip): place for place, clip in enumerate(clips)}
    done.repaired.sort(key=lambda one: order[one.clip])
    check_videos([one.copy for one in done.repaired], cache)  # so that it need not be done before a run
    return done


def _question(clip: str) -> dict[str, Any]:
    copy = copy_of(clip)
    return {"clip": clip, "copy": str(copy), "seconds": TIMES_AS_LONG * seconds_for(Path(clip).stat().st_size)}


def _remove_older(clip: str, copy: Path) -> None:
    """Remove the copies that were made of what the clip was before."""
    name = Path(clip).name
    for path in copy.parent.glob("*.mp4") if copy.parent.name == FOLDER else ():
        stem, _, size = path.name.removesuffix(".mp4").rpartition(".")
        if stem == name and size.isdigit() and path != copy:
            path.unlink(missing_ok=True)
