"""How the page looks in a real browser: what is to be read can be read, on the screen and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.benchmark.task import tasks
from tests.running import call
from tests.scores.compare.made import write_run
from tests.scores.page.browser import CHROMIUM, Tab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed (Debian: apt-get install chromium)"),
]


def luminance(colour: Sequence[float]) -> float:
    """Of red, green and blue, as WCAG 2.1 has it."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_in_a_matrix_can_be_read(browser: Tab, tmp_path: Path, scheme: str) -> None:
    # of 20 samples of each label so many are right
    right = {"joy": 20, "anger": 18, "sadness": 16, "fear": 12, "neutral": 10, "surprise": 5, "disgust": 0}
    held = [
        (f"{label}{at}", label, label if at < many else "unknown") for label, many in right.items() for at in range(20)
    ]
    out = tmp_path / "page.html"
    call("report", write_run(tmp_path, "one", {"MELD": held}), "--out", out)
    browser.look(1280, 900, scheme)
    browser.open(out)
    browser.wait("document.querySelectorAll('#matrix-table rect').length")
    paper, *cells = browser.run(
        """(() => {
        const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const paper = numbers(getComputedStyle(document.body).backgroundColor);
        return [paper, ...[...document.querySelectorAll("#matrix-table button")].map((button) => {
          const rect = button.querySelector("rect");
          return [Number(rect.getAttribute("opacity")), numbers(getComputedStyle(rect).fill),
            numbers(getComputedStyle(button.querySelector("span")).color)];
        })]; })()"""
    )
    assert len(cells) > 10
    for opacity, fill, ink in cells:
        behind = [opacity * over + (1 - opacity) * under for over, under in zip(fill, paper, strict=True)]
        dark, bright = sorted((luminance(behind), luminance(ink)))
        assert (bright + 0.05) / (dark + 0.05) > 3.5, (opacity, fill, ink)


def test_on_paper_nothing_is_cut_off(browser: Tab, tmp_path: Path) -> None:
    labels = tasks()["MIntRec"].labels
    held = {"MIntRec": [(f"s{at}", label, label) for at, label in enumerate(labels)]}
    paths = [write_run(tmp_path, name, held) for name in ("one", "two")]
    out = tmp_path / "page.html"
    call("report", *paths, "--out", out)
    browser.look(718, 1000)  # A4 with margins of 1 cm
    browser.open(out)
    browser.wait("document.querySelectorAll('#matrix-table rect').length")
    try:
        browser.print()
        assert browser.run("document.documentElement.scrollWidth") <= 718
    finally:
        browser.look(1280, 900)
