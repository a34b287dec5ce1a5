"""The page: what stands on it, and that a later call adds to it."""

from __future__ import annotations

from pathlib import Path

from tests.gpu_check.page import Page, Record, read, render

PARTS = ["a/sft", "a/zero2", "b/sft", "b/zero2"]
LOG = "it broke\n| a | log --> with ``` and |\n"


def page() -> Page:
    made = Page({"H100": {"commit": "abc", "processor": "x86_64 | 16 cores"}})
    made.add(Record("b/sft", "H100", "failed", 61.7, "2026-11-26 04:00", {"steps": "3 | 4"}, LOG))
    made.add(Record("a/sft", "H100", "ok", 12.2, "2026-11-26 04:00", {"rate": "3/s", "memory": "1 GB"}))
    made.add(Record("a/zero2", "H100", "skipped", said="there is one GPU"))
    return made


def test_what_stands_on_it() -> None:
    text = render(page(), PARTS)
    shown, _, _ = text.partition("<!--")
    assert "## H100\n\n- commit: abc\n- processor: x86_64 \\| 16 cores\n" in shown
    first, second = [line for line in shown.splitlines() if line.startswith("| `")]
    assert first == "| `a/sft` | ok | 12 | rate: 3/s; memory: 1 GB |"
    assert second == "| `b/sft` | **failed** | 62 | steps: 3 \\| 4 |"
    assert "### What failed\n\n`b/sft` (2026-11-26 04:00):\n\n    it broke\n    | a | log --> with ``` and |\n" in shown
    assert "### What was skipped\n\n- `a/zero2`: there is one GPU\n" in shown
    assert "Not run here yet: `b/zero2`." in shown


def test_a_later_call_adds_to_it(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    assert read(file) == Page()
    file.write_text(render(page(), PARTS))
    again = read(file)
    assert again == page()
    assert file.read_text().count("-->") == 2, "the log's, and the one that ends the comment"
    again.machines["L4"] = {"commit": "abd"}
    again.add(Record("b/sft", "H100", "ok"))
    again.add(Record("b/sft", "L4", "too slow", said="it was ended after 10 minutes"))
    file.write_text(render(again, PARTS))
    assert [(one.machine, one.part, one.state) for one in read(file).records] == [
        ("H100", "a/sft", "ok"), ("H100", "a/zero2", "skipped"), ("H100", "b/sft", "ok"), ("L4", "b/sft", "too slow"),
    ]  # fmt: skip
    text = file.read_text()
    assert "it broke" not in text
    assert text.index("## H100") < text.index("## L4") < text.index("it was ended after 10 minutes")


def test_a_page_that_people_wrote_is_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# notes\n<!-- mine -->\n")
    assert read(tmp_path / "page.md") == Page()
