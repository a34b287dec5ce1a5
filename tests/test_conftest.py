"""What every test gets: pytest itself runs small test files of ours."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.shared import ROOT


def pytest_of(folder: Path, text: str) -> str:
    """What pytest says about a file with these tests, which fail."""
    file = folder / "test_one.py"
    file.write_text("import pytest, subprocess, sys, tests.conftest\n" + textwrap.dedent(text))
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-c", "/dev/null", "--rootdir", folder, file]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_who_waits_for_ever_fails_and_his_children_end(tmp_path: Path) -> None:
    said = pytest_of(
        tmp_path,
        """
        HANG = [sys.executable, "-c", "import time; time.sleep(600)"]
        child = None

        @pytest.mark.deadline(0.5)
        def test_in_itself():
            global child
            child = subprocess.Popen(HANG)
            try:
                child.wait()
            except Exception:  # the deadline is no error that a program could swallow
                pass

        def test_its_child_is_gone():
            assert child.wait(5) == -9

        @pytest.fixture
        def waiting():
            subprocess.run(HANG)

        @pytest.mark.deadline(0.5)
        def test_in_a_fixture(waiting):
            pass
        """,
    )
    assert len(re.findall("^E +Failed: not through after 0.5 s", said, re.MULTILINE)) == 2
    assert "1 failed, 1 passed" in said
    assert "1 error in" in said


def test_where_the_time_went(tmp_path: Path) -> None:
    said = pytest_of(
        tmp_path,
        """
        import time
        tests.conftest.LEAST_SECONDS = 0.1

        @pytest.fixture(scope="module")
        def slow():
            time.sleep(0.3)

        def test_slow(slow):
            assert False
        """,
    )
    assert "seconds by file, fixtures counted, of 0 in all" in said
    assert "     0  test_one.py" in said
