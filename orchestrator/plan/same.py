"""Combinations of a sweep that come to the same run: what changes nothing would be computed, and shown, twice."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import InputError, Problem, listed
from orchestrator.plan.plan import Plan

MOST_NAMED = 3


def refuse_same(plans: Sequence[Plan]) -> None:
    """See that no two combinations of a sweep have the keys of all their stages in common.

    Raises:
        InputError: some have; the keys of the recipe that make no difference are named.
    """
    groups: dict[tuple[str, ...], list[Plan]] = {}
    for plan in plans:
        if swept := plan.recipe.swept:
            same = (swept.results, *(f"{stage.name} {stage.key}" for stage in plan.stages))
            groups.setdefault(same, []).append(plan)
    found: dict[tuple[str, ...], Problem] = {}
    for group in groups.values():
        if len(group) > 1 and (idle := _differing(group)) not in found:
            found[idle] = _problem(group, idle)
    if found:
        raise InputError(list(found.values()))


def _differing(group: Sequence[Plan]) -> tuple[str, ...]:
    """The swept keys whose values are not the same in all plans of a group."""
    values = [plan.recipe.swept.values for plan in group if plan.recipe.swept]
    return tuple(key for key in values[0] if len({one[key] for one in values}) > 1)


def _problem(group: Sequence[Plan], idle: Sequence[str]) -> Problem:
    recipe = group[0].recipe
    names = listed([plan.recipe.name for plan in group], MOST_NAMED)
    keys = " and ".join(f"`{key}`" for key in idle)
    verb = "changes" if len(idle) == 1 else "change"
    message = f"{names} come to the same run: {keys} {verb} nothing that is computed here"
    if recipe.method == "zero_shot" and all(key.startswith("train.") for key in idle):
        message += ", as zero_shot trains nothing"
    elif "seed" in idle and not recipe.train and not recipe.inference.temperature:
        message += ", as nothing is trained and greedy answers draw nothing"
    return Problem(message, recipe.place(idle[0]), f"leave {keys} out of the sweep")
