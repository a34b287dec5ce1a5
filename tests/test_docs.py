"""What pages and comments name is there: modules move, and their names in prose would stay behind."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.house import CHAIN, House
from tests.shared import ROOT

PATTERNS = (
    "*.md", "docs/*.md", "third_party/*/README.md", "tests/*/README.md", "Makefile", "recipes/**/*.yaml",
    "prompts/**/*.yaml", "orchestrator/benchmark/**/*.yaml",
)  # fmt: skip
PAGES = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = re.findall(
        r"(?<![\w./-])((?:orchestrator|tests|docs|recipes|prompts|third_party)/[\w./-]*\w)(?![\w*<{/])", text
    )
    modules = re.findall(r"-m ((?:orchestrator|tests)[\w.]*\w)", text)
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if page.suffix == ".md"]
    lacking = [name for name in files if "/.venv" not in name and not (ROOT / name).exists()]
    lacking += [name for name in modules if find_spec(name) is None]
    lacking += [link for link in links if not (page.parent / link).exists()]
    assert lacking == []
    assert "TODO" not in text


def test_the_rooms_are_those_of_the_picture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert " > ".join(CHAIN) in text
    rooms = {module.partition(".")[0] for module in House(ROOT).files} - {"", "__main__"}
    assert {room for room in rooms if f"\n| `{room}` |" not in text} == set()
