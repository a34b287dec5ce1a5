"""Samples that are not asked, whose answers count as errors: those with a bad video, and those that are too long."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.data.bad_videos import SKIPPED


def not_asked(name: str, too_long: Mapping[str, int]) -> str:
    """Why a sample, ``<task>/<id>``, has no answer."""
    if name not in too_long:
        return SKIPPED
    return f"skipped: {too_long[name]:,} tokens are more than train.max_length (train.on_too_long: skip)"
