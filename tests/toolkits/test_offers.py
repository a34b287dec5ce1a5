"""What recipes may say of a toolkit and what its models take: the committed tables against the toolkits themselves.

``python -m tests.toolkits.test_offers`` writes the committed tables again from the built environments.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.environments.environment import CHECK_SECONDS, Environment
from orchestrator.environments.offers import BUILT, COPY, make

TRAINING = ("llamafactory", "llava_next", "swift", "videollama2")
MODELS = ("llamafactory", "swift")  # these know families of models; the others' tables hold whom trainings report to
HEAD = """\
# What recipes may say of this toolkit, and what its families of models take, at the versions that `made_with` names.
# Made in its environment by inside/offers.py of its code: after another pin, `python -m tests.toolkits.test_offers`.
"""


def made(environment: Environment, folder: Path) -> dict[str, Any]:
    """The table that an environment makes of itself."""
    assert make(environment.python, environment.code, folder, CHECK_SECONDS) == ""
    table: dict[str, Any] = json.loads((folder / BUILT).read_text(encoding="utf-8"))
    return table


def written(table: dict[str, Any]) -> str:
    """A table as the file that is committed."""
    return HEAD + yaml.safe_dump(table, sort_keys=False, width=118, default_flow_style=None)


@pytest.mark.toolkit
@pytest.mark.parametrize(
    "name", [name if name in MODELS else pytest.param(name, marks=pytest.mark.long) for name in TRAINING]
)
def test_the_committed_table_is_what_the_environment_says(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment: Environment = request.getfixturevalue(f"{name}_env")
    assert (environment.folder / COPY).read_text(encoding="utf-8") == written(made(environment, tmp_path))


if __name__ == "__main__":
    for one in map(Environment.load, sys.argv[1:] or TRAINING):
        with tempfile.TemporaryDirectory() as temporary:
            (one.folder / COPY).write_text(written(made(one, Path(temporary))), encoding="utf-8")
        print(f"written: {one.folder / COPY}", file=sys.stderr)
