"""What pages and comments name is there: modules move, and their names in prose would stay behind."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.house import CHAIN, House
from tests.reference import FOLDER, MADE
from tests.reference import PAGES as PAGES_MADE
from tests.shared import ROOT

PATTERNS = (
    "*.md", "docs/**/*.md", "recipes/README.md", "third_party/*/README.md", "tests/*/README.md", "Makefile",
    "recipes/**/*.yaml", "prompts/**/*.yaml", "orchestrator/benchmark/**/*.yaml",
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


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.suffix == ".md"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_nothing_vanishes_as_an_html_tag(page: Path) -> None:
    """What is read as HTML is what was meant as such: a picture, a line break, a comment."""
    parts = [
        part for token in MarkdownIt().enable("table").parse(page.read_text()) for part in token.children or [token]
    ]
    tags = [part.content for part in parts if part.type in ("html_inline", "html_block")]
    assert [tag for tag in tags if not re.match(r"<(!--|/?(img|br|p|a|picture|source|details|summary)\b)", tag)] == []


def test_the_rooms_are_those_of_the_picture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert " > ".join(CHAIN) in text
    rooms = {module.partition(".")[0] for module in House(ROOT).files} - {"", "__main__"}
    assert {room for room in rooms if f"\n| `{room}` |" not in text} == set()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.suffix == ".md"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_link_to_a_part_of_a_page_leads_there(page: Path) -> None:
    for link, part in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / link if link else page).read_text(encoding="utf-8")
        heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert part in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, link


@pytest.mark.parametrize("name", PAGES_MADE)
def test_a_reference_page_is_that_of_the_code(name: str) -> None:
    made = MADE + PAGES_MADE[name]().rstrip() + "\n"
    assert (FOLDER / name).read_text(encoding="utf-8") == made, "make reference"


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 6000
