"""What a cluster asks of all jobs: a site's file, below what a recipe says itself."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.checked_yaml.files import load
from orchestrator.recipe.slurm import Slurm

SITE = "MMLA_SITE"  # the environment variable that names the file
USUAL = Path("~/.config/mmla/site.yaml")


def site_file(given: Path | None) -> Path | None:
    """The site's file: the one that is given, else the environment's, else the user's own if there is one."""
    if given or os.environ.get(SITE):
        return Path(given or os.environ[SITE]).expanduser()
    usual = USUAL.expanduser()
    return usual if usual.is_file() else None


def read_site(given: Path | None) -> Slurm:
    """What the site's file says; nothing where there is none.

    Raises:
        InputError: a file that is named is not there, or is wrong.
    """
    file = site_file(given)
    return load(file, Slurm, "a site file") if file else Slurm()


def settings_of(own: Slurm, site: Slurm) -> Slurm:
    """What a recipe says over what its site says, key by key; options of ``extra``, each by itself."""
    said = {name: getattr(own, name) for name in own.model_fields_set} | {"extra": site.extra | own.extra}
    return site.model_copy(update=said)
