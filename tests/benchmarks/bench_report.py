"""How large and how quick the page is: made-up answers of 49 recipes to all 12 test splits, opened in Chromium.

python -m tests.benchmarks.bench_report
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.bench_compare import RECIPES, splits, write_runs
from tests.scores.page.browser import CHROMIUM, Tab, chromium
from tests.shared import ROOT

READY = "document.querySelector('#s-count').textContent.startsWith('15,713 samples')"
# until the search is done and its first page is laid out
SEARCH = """(async () => {
  const input = document.querySelector("#s-search");
  const times = [];
  for (const text of %s) {
    input.value = text;
    const start = performance.now();
    await find();
    document.body.offsetHeight;
    times.push(performance.now() - start);
  }
  return times;
})()"""
TEXTS = ["c", "ca", "cannot", "meld_1", "zzz", "joy"]


def opened(tab: Tab, page: Path) -> float:
    """Seconds from the address to a page whose samples are listed."""
    start = time.perf_counter()
    tab.open(page)
    tab.wait(READY)
    return time.perf_counter() - start


def rows() -> list[tuple[str, str, str]]:
    """The lines of the table of speed."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_runs(folder / "results", splits(RECIPES))
        page = folder / "page.html"
        start = time.perf_counter()
        command = [sys.executable, "-m", "orchestrator", "report", str(folder / "results"), "--out", str(page)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        seconds = time.perf_counter() - start
        found = [
            (f"`report` of {RECIPES} recipes x 12 tasks, with comparisons (2,000 draws)", "-", f"{seconds:.1f} s"),
            ("its page", "10 MB", f"{page.stat().st_size / 1e6:.1f} MB"),
        ]
        if CHROMIUM is None:
            return found
        with chromium(folder / "profile") as tab:
            tab.look(1440, 900)
            times = sorted(opened(tab, page) for _ in range(5))
            searches = sorted(tab.run(SEARCH % TEXTS))
        found.append(("opened in Chromium, samples listed", "2 s", f"{times[2]:.2f} s (median of 5)"))
        worst = f"{searches[len(searches) // 2]:.0f} ms (longest {searches[-1]:.0f} ms)"
        return [*found, ("a search in 15,713 samples and answers", "smooth", worst)]


if __name__ == "__main__":
    for row in rows():
        print(f"| {' | '.join(row)} |")
