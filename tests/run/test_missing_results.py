"""Results that a Slurm job had scored, and was killed before it wrote them: ``status`` does."""

from __future__ import annotations

from orchestrator.launch.slurm.submitted import Submitted, submitting, write_submitted
from tests.run.place import Place
from tests.running import call


def test_results_that_a_killed_job_had_scored_are_written(place: Place) -> None:
    place.run()
    results, content = place.results, place.results.read_bytes()
    runs = place.folder / "runs"

    def look(name: str) -> str:
        with submitting(runs / "echoed"):
            entry = Submitted("7", "2026-01-01T10:00:00+00:00", "7.sh", "7.log", "", str(place.folder / name))
            write_submitted(runs / "echoed", {"demo": entry})
        return call("status", "--runs-dir", runs)

    results.unlink()
    look("a_sweeps.csv")
    assert not results.exists()
    assert not (place.folder / "a_sweeps.csv").exists()
    look(results.name)
    assert results.read_bytes() == content
    results.unlink()
    results.mkdir()
    assert "note: results are not written yet: " in look(results.name)
