"""What is done with samples whose video is missing or cannot be decoded: ``data.on_bad_video``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.data.samples import Sample
from orchestrator.machine.meter import Count

if TYPE_CHECKING:
    from orchestrator.data.videos import Finding

SKIPPED = "skipped: its video is missing, or cannot be decoded or heard (data.on_bad_video: skip)"


class BadVideos:
    """A recipe's ``on_bad_video``, applied to samples. ``cache`` remembers what was found: asking again is cheap.

    ``modality``: what the model is given of the videos; one is bad where that cannot be had.
    """

    def __init__(self, choice: str, cache: Path, modality: str = "video"):
        self.choice, self.cache, self.modality = choice, cache, modality

    def findings(self, videos: Iterable[str], progress: Count | None = None) -> list[Finding]:
        """What is wrong with some videos, each looked at once. The rest as in `check_videos`."""
        from orchestrator.data.videos import check_videos  # which starts processes: most plans show no video

        named = dict.fromkeys(videos)
        return check_videos(named, cache=self.cache, progress=progress, modality=self.modality) if named else []

    def bad_ids(self, samples: Iterable[Sample]) -> set[str]:
        """The ids of those samples that name no video, or a bad one; none where bad videos were refused before."""
        if self.choice == "fail":
            return set()
        samples = list(samples)
        found = self.findings(sample.video for sample in samples if sample.video)
        bad = {finding.problem.where for finding in found}
        return {sample.id for sample in samples if sample.video is None or sample.video in bad}

    def usable(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples to train on or to ask about: without the bad ones, or with these as text."""
        bad = self.bad_ids(samples)
        if self.choice == "skip":
            return [sample for sample in samples if sample.id not in bad]
        return [replace(sample, video=None) if sample.id in bad else sample for sample in samples]

    def summary(self, counts: dict[str, int]) -> str:
        """The choice with its numbers for the results, e.g. ``skip:train=2,test=1``; empty where all were sound."""
        found = ",".join(f"{split}={number}" for split, number in counts.items() if number)
        return f"{self.choice}:{found}" if found else ""


def cache_of(runs_dir: Path) -> Path:
    """Where a runs folder remembers what was found in which videos."""
    return runs_dir / ".cache" / "videos.json"
