"""``swift sft`` with the prompts of `forms`, of templates that end them otherwise: ``start.py formed.py ARGUMENTS``."""

from __future__ import annotations

import os

from orchestrator.toolkits.swift.inside import forms, patches, train

THINKING = "MMLA_THINKING"


def prepare() -> None:
    """In processes that load data, too, however swift starts them."""
    patches.install()
    forms.install(os.environ[THINKING])


def main() -> None:
    """Train as the command line says."""
    train.main()
