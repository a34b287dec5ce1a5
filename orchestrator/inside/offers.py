"""What a toolkit offers, and what its families of models take: the table that `validate` and `plan` ask.

A toolkit's ``inside/offers.py`` makes its part of it when the environment is built; here is what all of them have in
common. Standard library and the toolkit only, Python 3.10.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any


def reports() -> list[str]:
    """Whom a training may report to (`train.report_to`): the names of the environment's transformers."""
    from transformers.integrations import integration_utils

    return sorted(integration_utils.INTEGRATION_TO_CALLBACK)


def made_with(*distributions: str) -> list[str]:
    """The installed versions that a table holds for, as a lock writes them: ``transformers==5.6.0``."""
    return [f"{name}=={version(name)}" for name in (*distributions, "transformers")]


def write(table: Mapping[str, Any]) -> None:
    """Write a table to the file that the program's argument names: whole, or not at all."""
    target = Path(sys.argv[1])
    part = target.with_name(f"{target.name}.part")
    part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    part.replace(target)
