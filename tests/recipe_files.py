"""Recipe files of a test's own, written to the folder that the fixture ``own_folder`` goes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from orchestrator.errors import InputError
from orchestrator.recipe.load import load_recipe

GOOD = "method: sft\nmodel: tiny_qwen2\ntasks: [MELD]\n"
# any values that a file may hold
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda child: st.one_of(st.lists(child, max_size=3), st.dictionaries(st.text(), child, max_size=3)),
    max_leaves=8,
)


def write(text: str | bytes, name: str = "x.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(text: str | bytes, **arguments: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_recipe(write(text), **arguments)
    return [str(problem) for problem in caught.value.problems]
