"""Weights of the hub, fetched into its cache before a job asks for them: nodes of a cluster may not reach the hub."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from orchestrator.errors import OrchestratorError
from orchestrator.inside.hub_pins import cache_folder
from orchestrator.machine.hub import endpoint, errors_explained, hub, tell_token
from orchestrator.plan.pins import repositories
from orchestrator.plan.plan import Plan
from orchestrator.toolkits.base import Say

# the same weights once more, in forms that no toolkit here loads
SUPERFLUOUS = ("*.gguf", "*.h5", "*.msgpack", "*.onnx", "*.ot", "*.tflite", "original/*", "consolidated*")
LEAVE = "or leave it to the job: --set 'slurm.prepare=[environments, videos]'"


def fetch_weights(plans: Sequence[Plan], say: Say) -> None:
    """Fetch what the plans' programs load from the hub, as far as its cache lacks it.

    Args:
        plans: as `plan.pins.pin` gives them.
        say: told what is fetched.

    Raises:
        InputError: the hub has it not, or not for this user; or huggingface_hub is not installed.
        OrchestratorError: the hub cannot be reached, and the cache lacks something.
    """
    done: set[tuple[str, str | None, str]] = set()
    for plan in plans:
        cache = _cache(plan.recipe.resources.env)
        for repository, revision in repositories(plan):
            if (repository, revision, cache) not in done:
                done.add((repository, revision, cache))
                _fetch(repository, revision, cache, say)


def _cache(env: Mapping[str, str]) -> str:
    """The hub's cache as a plan's programs see it: a recipe may name another one than this process's."""
    seen = os.environ | env
    home = seen.get("HF_HOME")
    return seen.get("HF_HUB_CACHE") or (f"{home}/hub" if home else str(cache_folder("").parent))


def _fetch(repository: str, revision: str | None, cache: str, say: Say) -> None:
    try:
        library = hub()
        if not sys.stderr.isatty():
            library.utils.disable_progress_bars()
        say(f"seeing that the weights of {repository} are here, all of them")
        tell_token(say)
        with errors_explained(repository, revision or "main", "model"):
            # it asks for nothing that is there, and goes on with what is there in part
            library.snapshot_download(
                repository, revision=revision, cache_dir=cache, endpoint=endpoint(), ignore_patterns=list(SUPERFLUOUS)
            )
    except OrchestratorError as error:
        raise type(error)(f"the weights of {repository} cannot be fetched: {error}\n    {LEAVE}") from error
